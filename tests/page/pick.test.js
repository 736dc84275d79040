/**
 * @import { Found } from "../../gallery/page/pick.js"
 * @typedef {(error: Error) => void} Reject
 * @typedef {{ readEntries: (resolve: (batch: Entry[]) => void, reject: Reject) => void }} Reader
 * @typedef {object} Entry what the page uses of a FileSystemEntry
 * @property {string} name
 * @property {boolean} isDirectory
 * @property {string} fullPath
 * @property {() => Reader} [createReader]
 * @property {(resolve: (file: File) => void, reject: Reject) => void} [file]
 * @typedef {(at: string) => Entry} Placed
 */

import assert from "node:assert/strict";
import { test } from "node:test";

import { chosen, dropped, named } from "../../gallery/page/pick.js";

/** @param {Found} found */
const paths = (found) => found.files.map(({ path }) => path);

/** @param {string} path */
function picked(path) {
  const file = new File(["x"], path.slice(path.lastIndexOf("/") + 1));
  Object.defineProperty(file, "webkitRelativePath", { value: path.includes("/") ? path : "" });
  return file;
}

/**
 * Entries as a browser gives them for a dropped folder, `batch` at a time.
 * @param {string} name
 * @param {Placed[]} children
 * @returns {Entry}
 */
function folder(name, children, { batch = 100, at = "" } = {}) {
  const fullPath = `${at}/${name}`;
  const placed = children.map((child) => child(fullPath));
  return {
    name,
    isDirectory: true,
    fullPath,
    createReader() {
      let given = 0;
      return { readEntries: (resolve) => resolve(placed.slice(given, (given += batch))) };
    },
  };
}
/** @type {(name: string, children: Placed[]) => Placed} */
const within = (name, children) => (at) => folder(name, children, { at });
/** @type {(name: string) => Placed} */
const photo = (name) => (at) => ({ name, isDirectory: false, fullPath: `${at}/${name}`, file: (resolve) => resolve(new File(["x"], name)) });
/** @type {(name: string) => Placed} */
const locked = (name) => (at) => ({ name, isDirectory: false, fullPath: `${at}/${name}`, file: (_, reject) => reject(new Error("not allowed")) });
/** @type {(name: string) => Placed} */
const lockedFolder = (name) => (at) => ({
  name,
  isDirectory: true,
  fullPath: `${at}/${name}`,
  createReader: () => ({ readEntries: (_, reject) => reject(new Error("not allowed")) }),
});
/** @param {object[]} items */
const transfer = (items) => /** @type {DataTransfer} */ (/** @type {unknown} */ ({ items }));
/** @param {Entry} entry */
const drop = (entry) => dropped(transfer([{ kind: "file", webkitGetAsEntry: () => entry }]));

test("chosen files have their paths; hidden ones and those in hidden folders are counted", () => {
  const found = chosen({ files: ["w/a.jpg", "w/.DS_Store", "w/__MACOSX/b.jpg", "w/@eaDir/c.jpg", "d.jpg"].map(picked) });
  assert.deepEqual(paths(found), ["w/a.jpg", "d.jpg"]);
  assert.equal(found.hidden, 3);
  assert.equal(found.unreadable, 0);
});

test("a dropped folder is searched to its bottom, however many batches its entries come in", async () => {
  const many = Array.from({ length: 250 }, (_, number) => photo(`${number}.jpg`));
  const found = await drop(folder("w", [...many, within("card 1", [photo("x.jpg"), within("empty", [])])]));
  assert.equal(found.files.length, 251);
  assert.ok(paths(found).includes("w/card 1/x.jpg"));
});

test("what cannot be read is counted, and the rest is none the worse for it", async () => {
  const found = await drop(folder("w", [locked("a.jpg"), lockedFolder("card"), photo("b.jpg"), photo("._b.jpg")]));
  assert.deepEqual(paths(found), ["w/b.jpg"]);
  assert.deepEqual([found.unreadable, found.hidden], [2, 1]);
});

test("single files and what is no file may be dropped together", async () => {
  const file = new File(["x"], "single.jpg");
  const items = [{ kind: "string" }, { kind: "file", webkitGetAsEntry: () => null, getAsFile: () => file }, { kind: "file", getAsFile: () => null }];
  assert.deepEqual(paths(await dropped(transfer(items))), ["single.jpg"]);
});

test("names are what was dropped, with its folder, in NFC", () => {
  /** @param {string[]} all */
  const names = (...all) => named(all.map((path) => ({ path, file: new File([], path) }))).map(({ name }) => name);
  assert.deepEqual(names("w/a.jpg", "w/card/b.jpg"), ["w/a.jpg", "w/card/b.jpg"]);
  assert.deepEqual(names("v/a.jpg", "b.jpg"), ["v/a.jpg", "b.jpg"]);
  assert.deepEqual(names("Ka\u0308se.jpg"), ["K\u00e4se.jpg"]);
  assert.deepEqual(names(), []);
});
