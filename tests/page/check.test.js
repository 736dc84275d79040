/** @import { Named } from "../../gallery/page/pick.js" */

import assert from "node:assert/strict";
import { test } from "node:test";

import { sortOut, tooMany } from "../../gallery/page/check.js";

const LIMITS = {
  max_files: 2000,
  max_file_bytes: 1000,
  unsupported_kinds: { raw: ["cr3"], video: ["mov"] },
  unsupported_extensions: ["cr3", "mov"],
};
/** @type {(name: string, given?: { size?: number, type?: string }) => Named} */
const file = (name, { size = 1, type = "" } = {}) => ({ name, file: new File(["x".repeat(size)], name, { type, lastModified: 0 }) });
/** @param {Named[]} files */
const titles = (...files) => sortOut(files, LIMITS).refused.map(({ name, title }) => `${name}: ${title}`);

test("each file that would be refused has its reason, in the order of names", () => {
  assert.deepEqual(titles(file("z.MOV"), file("b.jpg", { size: 0 }), file("c.jpg", { size: 1001 }), file("a//b.jpg"), file("d.jpg", { size: 1000 })), [
    "a//b.jpg: The name has an empty part in its path",
    "b.jpg: Empty file",
    "c.jpg: Larger than 1.0\u00a0kB",
    "z.MOV: Video (.mov)",
  ]);
});

test("of two files of one name the first is sent; the same file chosen twice is no mistake", () => {
  const { good, refused } = sortOut([file("a.jpg"), file("a.jpg"), file("a.jpg", { size: 2 })], LIMITS);
  assert.deepEqual(good.map(({ name, size }) => [name, size]), [["a.jpg", 1]]);
  assert.deepEqual(refused.map(({ title }) => title), ["Twice the same name"]);
});

test("names that differ in case or folder are different", () => {
  assert.equal(sortOut([file("A.jpg"), file("a.jpg"), file("x/a.jpg")], LIMITS).good.length, 3);
});

test("types are the browser's, our own where browsers know none, and harmless where they make no sense", () => {
  const types = sortOut([file("a.jpg", { type: "image/jpeg" }), file("b.HEIC"), file("c.avif", { type: "x" }), file("d", { type: "a/b; c" }), file("e")], LIMITS).good.map(({ type }) => type);
  assert.deepEqual(types, ["image/jpeg", "image/heic", "image/avif", "application/octet-stream", "application/octet-stream"]);
});

test("more files than one upload takes are told with both numbers", () => {
  assert.equal(tooMany(2000, LIMITS), null);
  assert.match(tooMany(2001, LIMITS) ?? "", /2,000 photographs, and these are 2,001/);
});
