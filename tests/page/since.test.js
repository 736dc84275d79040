import assert from "node:assert/strict";
import { test } from "node:test";

import { Since } from "../../gallery/page/since.js";

/** @import { ComparedFile, EntryAnswer } from "../../gallery/api/schemas.ts" */

/** @type {(file_name: string, more?: Partial<ComparedFile>) => ComparedFile} */
const answer = (file_name, more) => ({
  file_name, would: "add", sha256: null, image_id: null, same_content_as: [], recipe: null, hash_wanted: false, under_way_as: [], same_content_under_way: [], ...more,
});
/** @param {string} name */
const file = (name) => ({ file_name: name, size: 1, sha256: "f00d" });
/** @type {(image_id: string) => EntryAnswer} */
const replaced = (image_id) => ({ number: 1, file_name: image_id, size: 1, outcome: "replaced", stage: null, reason: null, message: null, image_id, conflict: null, metadata: {} });

test("what cannot be known before another upload has ended is asked about again, and nothing else", async () => {
  const would = { "gone.jpg": answer("gone.jpg"), "kept.jpg": answer("kept.jpg", { would: "leave_unchanged" }), "unsure.jpg": answer("unsure.jpg", { would: "unknown" }) };
  /** @type {Map<string, ComparedFile>} */
  const answers = new Map(Object.entries(would));
  /** @type {string[][]} */
  const asked = [];
  const api = {
    compare: async (/** @type {{ file_name: string }[]} */ files) => {
      asked.push(files.map((one) => one.file_name));
      return { files: files.map((one) => answers.get(one.file_name) ?? answer(one.file_name)) };
    },
    entries: async () => ({ entries: [], next_cursor: null }),
  };
  const since = new Since({ api, sheet: { refresh: async () => {}, uploads: null }, uploadId: "mine", counts: { saved: 0, replaced: 0 }, there: [...answers.keys()].map(file) });
  const found = () => [since.gone, since.unsure].map((files) => files.map((one) => one.file_name));
  await since.look();
  assert.deepEqual(found(), [["gone.jpg"], ["unsure.jpg"]]);
  assert.equal(await since.lookAtThere(since.unsure), false);
  answers.set("unsure.jpg", answer("unsure.jpg", { would: "replace" }));
  assert.equal(await since.lookAtThere(since.unsure), true);
  assert.deepEqual(found(), [["gone.jpg", "unsure.jpg"], []]);
  assert.deepEqual(asked, [["gone.jpg", "kept.jpg", "unsure.jpg"], ["unsure.jpg"], ["unsure.jpg"]]);
});

test("what was sent counts for as long as the gallery shows it", async () => {
  const entries = ["shown", "brought back", "deleted"].map(replaced);
  const sheet = { refresh: async () => {}, uploads: /** @type {Map<string, string> | null} */ (null) };
  const api = { compare: async () => ({ files: [] }), entries: async () => ({ entries, next_cursor: null }) };
  const since = new Since({ api, sheet, uploadId: "mine", counts: { saved: 2, replaced: 3 }, there: [] });
  await since.look();
  assert.deepEqual(since.takenBack, { saved: 0, replaced: 0 }, "not known where the gallery could not be listed");
  sheet.uploads = new Map([["shown", "mine"], ["brought back", "former"], ["new", "mine"], ["replaced since", "theirs"]]);
  assert.equal(since.lookAtSheet(), true);
  assert.deepEqual(since.takenBack, { saved: 1, replaced: 2 });
  assert.equal(since.lookAtSheet(), false, "nothing new");
  assert.deepEqual(["shown", "brought back", "deleted"].map((one) => since.shows(one)), [true, false, false]);
});
