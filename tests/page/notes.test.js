/** @import { EntriesAnswer } from "../../gallery/api/schemas.ts" */

import assert from "node:assert/strict";
import { test } from "node:test";

import { readNotes } from "../../gallery/page/notes.js";

/** @type {Record<string, string[]>} */
const NAMES = { damaged: ["b.jpg", "d.jpg"], one_of_several: ["c.gif"], later: ["e.jpg"] };

class Upload {
  /** @type {string[]} */
  asked = [];

  /** @type {(uploadId: string, query: Record<string, string>) => Promise<EntriesAnswer>} */
  async entries(_, { note }) {
    this.asked.push(note);
    const one = { number: 1, size: 1, outcome: /** @type {const} */ ("saved"), stage: null, reason: null, message: null, image_id: null, conflict: null, metadata: {} };
    return { entries: NAMES[note].map((name) => ({ ...one, file_name: name, notes: [note] })), next_cursor: null };
  }
}

test("the damaged ones come first, and stand in the heading", async () => {
  const api = new Upload();
  const { heading, items } = await readNotes(api, "u", { one_of_several: 1, damaged: 2 });
  assert.equal(heading, "2 photographs look damaged; check them before you format the card");
  assert.deepEqual(items.map(({ name, title }) => [name, title]), [["b.jpg", "Damaged"], ["d.jpg", "Damaged"], ["c.gif", "Several pictures in one file"]]);
  assert.equal((await readNotes(api, "u", { damaged: 1 })).heading, "1 photograph looks damaged; check it before you format the card");
});

test("what is not worth a warning is not headed like one", async () => {
  assert.equal((await readNotes(new Upload(), "u", { one_of_several: 1 })).heading, "Good to know");
});

test("nothing is asked for where there are no notes, nor of an older server, nor for notes of a later one", async () => {
  const api = new Upload();
  /** @type {(Record<string, number> | undefined)[]} */
  const none = [{}, undefined, { later: 1 }];
  for (const counts of none) assert.deepEqual((await readNotes(api, "u", counts)).items, []);
  assert.deepEqual(api.asked, []);
});
