/**
 * @import { KeptFile } from "../../gallery/page/journal.js"
 * @import { Named } from "../../gallery/page/pick.js"
 */

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { Journal, match } from "../../gallery/page/journal.js";

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
const kept = (name, size, lastModified = 5) => ({ name, size, lastModified });
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
  assert.ok(journal.opened("u-1", [picked("a.jpg", 3)]));
  assert.deepEqual(journal.read(), { uploadId: "u-1", state: "open", files: [kept("a.jpg", 3)] });
  assert.equal(new Journal("other").read(), null);
  journal.accepted("u-1");
  assert.deepEqual(journal.read(), { uploadId: "u-1", state: "accepted", files: [] });
  journal.finished("u-1");
  assert.equal(localStorage.size, 0);
  assert.equal(journal.read()?.uploadId, "u-1");
  journal.forget();
  assert.equal(journal.read(), null);
});

test("a storage that is full is told, and one that holds something else is as good as empty", () => {
  localStorage.full = true;
  assert.equal(new Journal("g").opened("u-1", []), false);
  for (const text of ["", "no JSON", "null", "7", "{}", '{"uploadId": 7, "files": []}', '{"uploadId": "u", "files": {}}']) {
    localStorage.set("gallery-upload/g", text);
    assert.equal(new Journal("g").read(), null, text);
  }
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
