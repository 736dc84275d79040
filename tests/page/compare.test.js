/**
 * @import { Choice, ComparedFile } from "../../gallery/api/schemas.ts"
 * @import { Sendable } from "../../gallery/page/check.js"
 */

import assert from "node:assert/strict";
import { test } from "node:test";

import { asked, Choices, found, numberedNames, plan } from "../../gallery/page/compare.js";
import { numberedName } from "../../gallery/page/names.js";

/** @type {(name: string) => Sendable} */
const sendable = (name) => ({ name, file: new File(["x"], name), size: 1, type: "image/jpeg" });
/** @type {(name: string, would: ComparedFile["would"], more?: Partial<ComparedFile>) => ReturnType<typeof found>} */
const compared = (name, would, more = {}) =>
  found(sendable(name), { file_name: name, would, sha256: null, image_id: null, same_content_as: [], recipe: null, hash_wanted: false, ...more });
/** @type {(name: string, sha256?: string) => ReturnType<typeof found>} */
const conflict = (name, sha256 = "f00d") => compared(name, "replace", { sha256, image_id: "i" });

const NUMBERED = new Map(["a.jpg", "b.jpg", "c.jpg"].map((name) => [name, numberedName(name, 2)]));
/** @type {(all: ReturnType<typeof found>[], given?: { choices?: Choices, sendElsewhere?: boolean }) => { there: number, send: string[], skipped: number, waiting: number }} */
function planned(all, { choices = new Choices(), sendElsewhere = false } = {}) {
  const { send, there, ...rest } = plan(all, { choices, sendElsewhere, numbered: NUMBERED });
  return { ...rest, there: there.length, send: send.map(({ name, path, expect }) => `${path} as ${name}: ${expect}`) };
}
/**
 * As somebody chooses for all that are listed now.
 * @type {(choice: Choice, listed: ReturnType<typeof found>[]) => Choices}
 */
function all(choice, listed) {
  const choices = new Choices();
  for (const { file, answer } of listed) choices.set(file.name, choice, answer.sha256);
  return choices;
}

test("new photographs are sent, expecting nothing under their names; what is there is not sent", () => {
  const files = [compared("a.jpg", "add"), compared("b.jpg", "leave_unchanged", { recipe: "former" })];
  assert.deepEqual(planned(files), { send: ["a.jpg as a.jpg: absent"], there: 1, skipped: 0, waiting: 0 });
});

test("without a choice both are kept, and nothing is ever replaced", () => {
  assert.deepEqual(planned([conflict("a.jpg")]), { send: ["a.jpg as a (2).jpg: absent"], there: 0, skipped: 0, waiting: 0 });
});

test("what is replaced is the very version that was shown", () => {
  const files = [conflict("a.jpg", "cafe")];
  assert.deepEqual(planned(files, { choices: all("replace", files) }), { send: ["a.jpg as a.jpg: cafe"], there: 0, skipped: 0, waiting: 0 });
});

test("what is skipped is counted and not sent", () => {
  const files = [conflict("a.jpg")];
  assert.deepEqual(planned(files, { choices: all("skip", files) }), { send: [], there: 0, skipped: 1, waiting: 0 });
});

test("a choice for all is one for each that is listed: what comes later is kept as well", () => {
  const [seen, later] = [[conflict("a.jpg"), conflict("b.jpg")], conflict("c.jpg")];
  const choices = all("replace", seen);
  const questions = (/** @type {string[]} */ ...names) => names.map((name) => ({ name, isWaiting: false }));
  assert.equal(choices.common(questions("a.jpg", "b.jpg")), "replace");
  choices.set("a.jpg", "skip", "f00d");
  assert.deepEqual(["a.jpg", "b.jpg", "c.jpg"].map((name) => choices.of(name)), ["skip", "replace", "keep_both"]);
  assert.equal(choices.common(questions("b.jpg", "c.jpg")), null);
  assert.deepEqual(planned([...seen, later], { choices }), { send: ["b.jpg as b.jpg: f00d", "c.jpg as c (2).jpg: absent"], there: 0, skipped: 1, waiting: 0 });
});

test("a choice holds for the photograph that it was made about: where the gallery shows another one, both are kept", () => {
  const names = ["a.jpg", "b.jpg", "c.jpg"];
  const choices = all("replace", names.map((name) => conflict(name, "aaaa")));
  choices.set("c.jpg", "keep_both", "aaaa");
  const now = [conflict("a.jpg", "aaaa"), conflict("b.jpg", "bbbb"), conflict("c.jpg", "bbbb")];
  choices.renew(now);
  assert.deepEqual(planned(now, { choices }).send, ["a.jpg as a.jpg: aaaa", "b.jpg as b (2).jpg: absent", "c.jpg as c (2).jpg: absent"]);
  assert.deepEqual(names.map((name) => choices.isOutdated(name)), [false, true, false]);
  choices.set("b.jpg", "replace", "bbbb");
  choices.renew(now);
  assert.deepEqual([choices.of("b.jpg"), choices.isOutdated("b.jpg")], ["replace", false]);
});

test("what is there under another name is sent only if all of those are to be, and then still replaces nothing unasked", () => {
  const files = [compared("a.jpg", "add", { same_content_as: ["x.jpg"] }), compared("b.jpg", "replace", { sha256: "cafe", same_content_as: ["a.jpg"] })];
  assert.deepEqual(planned(files), { send: [], there: 2, skipped: 0, waiting: 0 });
  assert.deepEqual(planned(files, { sendElsewhere: true }), { send: ["a.jpg as a.jpg: absent", "b.jpg as b (2).jpg: absent"], there: 0, skipped: 0, waiting: 0 });
});

test("what is there only under names that are replaced is sent after all", () => {
  const moved = compared("b.jpg", "add", { same_content_as: ["a.jpg"] });
  const files = [conflict("a.jpg", "cafe"), moved];
  assert.deepEqual(planned(files), { send: ["a.jpg as a (2).jpg: absent"], there: 1, skipped: 0, waiting: 0 });
  assert.deepEqual(planned(files, { choices: all("replace", files) }), { send: ["a.jpg as a.jpg: cafe", "b.jpg as b.jpg: absent"], there: 0, skipped: 0, waiting: 0 });
  // It has a second home.
  const kept = [conflict("a.jpg", "cafe"), compared("b.jpg", "add", { same_content_as: ["a.jpg", "z.jpg"] })];
  assert.deepEqual(plan(kept, { choices: all("replace", kept), sendElsewhere: false, numbered: NUMBERED }).there, [kept[1].file]);
});

test("a file that is sent only since its content would be gone is asked about, too, and may bring up another", () => {
  const choices = new Choices();
  const files = [
    conflict("a.jpg", "aaaa"),
    compared("b.jpg", "replace", { sha256: "bbbb", same_content_as: ["a.jpg"] }),
    compared("c.jpg", "add", { same_content_as: ["b.jpg"] }),
  ];
  const names = () => asked(files, { choices, sendElsewhere: false }).map((one) => one.file.name);
  assert.deepEqual(names(), ["a.jpg"]);
  choices.set("a.jpg", "replace", "aaaa");
  assert.deepEqual(names(), ["a.jpg", "b.jpg"]);
  assert.deepEqual(planned(files, { choices }), { send: ["a.jpg as a.jpg: aaaa", "b.jpg as b (2).jpg: absent"], there: 1, skipped: 0, waiting: 0 });
  choices.set("b.jpg", "replace", "bbbb");
  assert.deepEqual(planned(files, { choices }), { send: ["a.jpg as a.jpg: aaaa", "b.jpg as b.jpg: bbbb", "c.jpg as c.jpg: absent"], there: 0, skipped: 0, waiting: 0 });
});

test("a name of an upload under way waits until it is known, unless both are kept or it is skipped by choice", () => {
  const files = [compared("a.jpg", "unknown")];
  assert.deepEqual(planned(files), { send: [], there: 0, skipped: 0, waiting: 1 });
  assert.deepEqual(planned(files, { choices: all("replace", files) }), { send: [], there: 0, skipped: 0, waiting: 1 });
  assert.deepEqual(planned(files, { choices: all("keep_both", files) }), { send: ["a.jpg as a (2).jpg: absent"], there: 0, skipped: 0, waiting: 0 });
  assert.deepEqual(planned(files, { choices: all("skip", files) }), { send: [], there: 0, skipped: 1, waiting: 0 });
});

test("nothing is chosen for all of them while some wait, and whoever does not wait keeps both", () => {
  const files = [conflict("a.jpg"), compared("b.jpg", "unknown"), compared("c.jpg", "unknown", { sha256: "cafe", image_id: "i" })];
  const questions = files.map(({ file, finding }) => ({ name: file.name, isWaiting: finding === "unknown" }));
  const choices = all("replace", files);
  assert.deepEqual(questions.map((one) => choices.now(one)), ["replace", null, null]);
  assert.equal(choices.common(questions), null);
  choices.set("a.jpg", "keep_both", "f00d");
  assert.equal(choices.common(questions), null);
  choices.set("b.jpg", "skip", null);
  choices.doNotWait(files);
  assert.deepEqual(questions.map((one) => choices.now(one)), ["keep_both", "skip", "keep_both"]);
  assert.equal(planned(files, { choices }).waiting, 0);
  choices.forget("c.jpg");
  assert.equal(planned(files, { choices }).waiting, 1);
});

test("a conflict whose numbered name is not known yet waits", () => {
  assert.deepEqual(planned([conflict("new.jpg")]), { send: [], there: 0, skipped: 0, waiting: 1 });
});

test("the first free name is taken: neither one of the gallery, nor one that is sent, nor one given away already", async () => {
  const gallery = new Set(["a (2).jpg", "a (4).jpg"]);
  const sent = new Set(["a.jpg", "b.jpg", "a (3).jpg"]);
  /** @type {string[][]} */
  const rounds = [];
  const names = await numberedNames([sendable("a.jpg"), sendable("b.jpg")], sent, async (candidates) => {
    rounds.push(candidates.map((one) => one.name));
    return candidates.map((one) => !gallery.has(one.name));
  });
  assert.deepEqual([...names].sort(), [["a.jpg", "a (5).jpg"], ["b.jpg", "b (2).jpg"]]);
  assert.deepEqual(rounds, [["a (2).jpg", "b (2).jpg"], ["a (4).jpg"], ["a (5).jpg"]]);
});

test("a file of which no numbered name is accepted has none, and the others have theirs", async () => {
  const names = await numberedNames([sendable("a.jpg"), sendable("b.jpg")], [], async (candidates) =>
    candidates.map(({ name }) => (name.startsWith("a") ? null : !name.includes("(2)"))),
  );
  assert.deepEqual([...names], [["b.jpg", "b (3).jpg"]]);
});
