/** @import { Named } from "../../gallery/page/pick.js" */

import assert from "node:assert/strict";
import { test } from "node:test";

import { lookalikes, sortOut, tooMany } from "../../gallery/page/check.js";

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

/** @type {(...files: [named: Named, sha256: string | null][]) => string[]} */
function ofOneName(...files) {
  const digests = new WeakMap(files.flatMap(([{ file }, sha256]) => (sha256 ? [[file, sha256]] : [])));
  const { good, refused } = sortOut(files.map(([one]) => one), LIMITS, digests);
  return [`${good.length} of ${good[0].size}`, ...refused.map(({ title }) => title)];
}

test("of two files of one name the first is sent, and the other one is told", () => {
  assert.deepEqual(ofOneName([file("a.jpg"), null], [file("a.jpg", { size: 2 }), null]), ["1 of 1", "Twice the same name"]);
});

test("only its content makes a file the same one, chosen again: not path, size and time, which two cards share", () => {
  assert.deepEqual(ofOneName([file("a.jpg"), "one"], [file("a.jpg"), "one"]), ["1 of 1"]);
  assert.deepEqual(ofOneName([file("a.jpg"), "one"], [file("a.jpg"), "other"]), ["1 of 1", "Twice the same name"]);
  assert.deepEqual(ofOneName([file("a.jpg"), "one"], [file("a.jpg"), null]), ["1 of 1", "Twice the same name"]);
  assert.deepEqual(ofOneName([file("a.jpg"), "one"], [file("a.jpg"), "other"], [file("a.jpg"), "other"]), ["1 of 1", "Twice the same name"]);
  const same = file("a.jpg");
  assert.deepEqual(ofOneName([same, null], [same, null]), ["1 of 1"]);
});

test("files that have name and size in common are those to be read, unless they would be refused anyway", () => {
  const files = [file("a.jpg"), file("b.jpg"), file("a.jpg"), file("b.jpg", { size: 2 }), file("c.mov"), file("c.mov"), file("d.jpg")];
  assert.deepEqual(lookalikes(files, LIMITS), [files[0], files[2]]);
});

test("an empty file is told as that, also where another one has its name", () => {
  assert.deepEqual(titles(file("a.jpg"), file("a.jpg", { size: 0 })), ["a.jpg: Empty file"]);
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
