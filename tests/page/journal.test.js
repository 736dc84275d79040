/**
 * @import { KeptFile } from "../../gallery/page/journal.js"
 * @import { Named } from "../../gallery/page/pick.js"
 */

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { ALL_SENT, fitting, Journal, match } from "../../gallery/page/journal.js";

/** @extends {Map<string, string>} */
class Memory extends Map {
  full = false;
  /** @param {string} key */
  getItem(key) {
    return this.get(key) ?? null;
  }
  /** @type {(key: string, value: string) => void} */
  setItem(key, value) {
    if (this.full) throw new Error("QuotaExceededError");
    this.set(key, value);
  }
  /** @param {string} key */
  removeItem(key) {
    this.delete(key);
  }
}

/** @type {(name: string, size: number, lastModified?: number) => KeptFile} */
const kept = (name, size, lastModified = 5) => ({ name, size, lastModified, path: name });
/** @type {(name: string, size: number, lastModified?: number) => Named} */
const picked = (name, size, lastModified = 5) => ({ name, file: new File(["x".repeat(size)], name, { lastModified }) });

beforeEach(() => {
  for (const name of ["localStorage", "sessionStorage"]) {
    Object.defineProperty(globalThis, name, { value: new Memory(), configurable: true });
  }
});

test("what is sent is remembered until its end was seen, for each gallery by itself", () => {
  const journal = new Journal("wedding");
  assert.equal(journal.read(), null);
  const notSent = { ...ALL_SENT, skipped: 2, there: [{ file_name: "c.jpg", size: 7, sha256: "f00d" }] };
  assert.ok(journal.opened("u-1", [picked("a.jpg", 3), { ...picked("b (2).jpg", 2), path: "b.jpg" }], notSent));
  const files = [kept("a.jpg", 3), { ...kept("b (2).jpg", 2), path: "b.jpg" }];
  assert.deepEqual(journal.read(), { uploadId: "u-1", state: "open", files, notSent });
  assert.equal(new Journal("other").read(), null);
  journal.accepted("u-1", notSent);
  assert.deepEqual(journal.read(), { uploadId: "u-1", state: "accepted", files: [], notSent });
  journal.finished("u-1", notSent);
  assert.equal(localStorage.size, 0);
  assert.equal(journal.read()?.uploadId, "u-1");
  journal.forget();
  assert.equal(journal.read(), null);
});

test("a storage that is full is told, and one that holds something else is as good as empty", () => {
  localStorage.full = true;
  assert.equal(new Journal("g").opened("u-1", [], ALL_SENT), false);
  for (const text of ["", "no JSON", "null", "7", "{}", '{"uploadId": 7, "files": []}', '{"uploadId": "u", "files": {}}']) {
    localStorage.set("gallery-upload/g", text);
    assert.equal(new Journal("g").read(), null, text);
  }
});

test("what a former version of this page has kept is still read", () => {
  localStorage.set("gallery-upload/g", '{"uploadId": "u", "state": "accepted", "files": [], "notSent": {"there": 4, "skipped": 1, "leftOut": []}}');
  assert.deepEqual(new Journal("g").read()?.notSent, { ...ALL_SENT, skipped: 1 });
});

test("of two files of one name, the first goes on, as it was the one that was sent", () => {
  const [first, second] = [picked("a.jpg", 1), picked("a.jpg", 1)];
  assert.equal(match([kept("a.jpg", 1)], new Set(["a.jpg"]), [first, second]).files[0].file, first.file);
});

test("files that have not arrived go on with their bytes, those that have arrived without", () => {
  const file = picked("b.jpg", 2).file;
  const matched = match([kept("a.jpg", 1), kept("b.jpg", 2)], new Set(["b.jpg"]), [{ name: "b.jpg", file }]);
  assert.deepEqual(matched.files, [kept("a.jpg", 1), kept("b.jpg", 2)].map(({ name, size }) => ({ name, size, file: name === "b.jpg" ? file : null })));
  assert.deepEqual([matched.absent, matched.changed, matched.edited, matched.others], [[], [], [], 0]);
});

test("missing files that were not chosen, or have another size, are told apart", () => {
  const missing = new Set(["a.jpg", "b.jpg"]);
  const matched = match([kept("a.jpg", 1), kept("b.jpg", 2)], missing, [picked("b.jpg", 3), picked("c.jpg", 1)]);
  assert.deepEqual(matched.files, []);
  assert.deepEqual(matched.absent, [{ name: "a.jpg", size: 1 }]);
  assert.deepEqual(matched.changed, [{ name: "b.jpg", size: 2 }]);
  assert.equal(matched.others, 1);
});

test("what was saved anew after it had been sent is named", () => {
  const remembered = ["a.jpg", "b.jpg", "c.jpg"].map((name) => kept(name, 1));
  const matched = match(remembered, new Set(), [picked("a.jpg", 2), picked("b.jpg", 1, 6), picked("c.jpg", 1, 4)]);
  assert.deepEqual(matched.edited, ["a.jpg", "b.jpg"]);
  assert.equal(matched.files.length, 3);
});

test("what an older version of the page has kept is read as well", () => {
  localStorage.setItem("gallery-upload/g", '{"uploadId": "u", "state": "open", "files": [["a.jpg", 1, 5]]}');
  assert.deepEqual(new Journal("g").read(), { uploadId: "u", state: "open", files: [kept("a.jpg", 1)], notSent: ALL_SENT });
});

test("a file that was sent under a numbered name is found under its own", () => {
  const remembered = [{ ...kept("card/a (2).jpg", 1), path: "card/a.jpg" }];
  const chosen = fitting(remembered, new Set(["card/a (2).jpg"]), [picked("card/a.jpg", 1)]);
  const { files, others } = match(remembered, new Set(["card/a (2).jpg"]), chosen);
  assert.deepEqual(files.map(({ name, file }) => [name, file?.name]), [["card/a (2).jpg", "card/a.jpg"]]);
  assert.equal(others, 0);
});

for (const [how, remembered, chosen] of /** @type {[string, string[], string[]][]} */ ([
  ["as the first time", ["w/a.jpg", "w/b.jpg"], ["w/a.jpg", "w/b.jpg"]],
  ["with the page that left out the top folder", ["a.jpg", "card/b.jpg"], ["w/a.jpg", "w/card/b.jpg"]],
  ["within another one", ["card/a.jpg", "card/b.jpg"], ["w/card/a.jpg", "w/card/b.jpg"]],
  ["within it the first time", ["w/card/a.jpg", "w/card/b.jpg"], ["card/a.jpg", "card/b.jpg"]],
  ["as single files", ["w/a.jpg", "w/b.jpg"], ["a.jpg", "b.jpg"]],
])) {
  test(`a folder is found again: chosen ${how}`, () => {
    const kepts = remembered.map((name) => kept(name, 1));
    const fit = fitting(kepts, new Set(remembered), chosen.map((name) => picked(name, 1)));
    assert.deepEqual(match(kepts, new Set(remembered), fit).files.map(({ name, file }) => [name, file?.name]), remembered.map((name, index) => [name, chosen[index]]));
  });
}
