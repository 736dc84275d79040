/**
 * @import { FileToCompare } from "../../gallery/api/schemas.ts"
 * @import { Sendable } from "../../gallery/page/check.js"
 * @import { digestAll } from "../../gallery/page/digesting.js"
 */

import assert from "node:assert/strict";
import { test } from "node:test";

import { ApiError } from "../../gallery/page/api.js";
import { compareWithGallery, namesForBoth, noLongerThere, readAll } from "../../gallery/page/comparing.js";

/** @type {(name: string, size?: number) => Sendable} */
const sendable = (name, size = 1) => ({ name, file: new File([name], name), size, type: "image/jpeg" });

/** A gallery of names with their contents; the content of a file is its name without its folder. */
class Gallery {
  /** @type {FileToCompare[][]} */
  asked = [];
  faulty = "";
  /** @type {string[]} Names that an upload under way has. */
  underWay = [];

  /** @param {Record<string, string>} images */
  constructor(images) {
    this.images = images;
  }

  /** @type {(files: FileToCompare[]) => ReturnType<import("../../gallery/page/api.js").GalleryApi["compare"]>} */
  async compare(files) {
    this.asked.push(files);
    const index = files.findIndex((one) => one.file_name === this.faulty);
    if (index >= 0) {
      const error = new ApiError(422, "invalid_file_name", "");
      error.faulty = [{ index, file_name: this.faulty, code: "invalid_file_name", message: "" }];
      throw error;
    }
    return {
      files: files.map(({ file_name, sha256 }) => {
        const here = this.images[file_name] ?? null;
        const elsewhere = Object.keys(this.images).filter((name) => name !== file_name && this.images[name] === sha256);
        /** @param {boolean} is */
        const named = (is) => elsewhere.filter((name) => this.underWay.includes(name) === is);
        const would = this.underWay.includes(file_name) ? "unknown" : here === null ? "add" : here === sha256 ? "leave_unchanged" : "replace";
        return { file_name, would, sha256: here, image_id: null, same_content_as: named(false), recipe: null, hash_wanted: sha256 === undefined && here !== null, under_way_as: [], same_content_under_way: named(true) };
      }),
    };
  }
}

/** @type {string[]} */
let read = [];
/** @type {typeof digestAll} */
const digest = async (items, { onDigest, signal }) => {
  for (const item of items) {
    signal.throwIfAborted();
    read.push(item.file.name);
    onDigest(item, item.file.name.includes("gone") ? null : (item.file.name.split("/").pop() ?? null));
  }
};
/** @type {(gallery: Gallery, files: Sendable[], digests?: WeakMap<File, string>) => Promise<{ findings: string[], refused: string[], progress: string[] }>} */
async function compare(gallery, files, digests = new WeakMap()) {
  read = [];
  /** @type {string[]} */
  const progress = [];
  const { compared, refused } = await compareWithGallery(files, {
    api: gallery,
    digests,
    signal: new AbortController().signal,
    onProgress: (done, total) => progress.push(`${done} of ${total}`),
    digest,
  });
  return { findings: compared.map(({ file, finding }) => `${file.name}: ${finding}`), refused: refused.map(({ name, title }) => `${name}: ${title}`), progress };
}

test("only files that the gallery asks about are read, and only those are compared again", async () => {
  const gallery = new Gallery({ "card/a.jpg": "a.jpg", "card/b.jpg": "another" });
  const files = ["card/a.jpg", "card/b.jpg", "card/new.jpg"].map((name) => sendable(name));
  const { findings, progress } = await compare(gallery, files);
  assert.deepEqual(findings, ["card/a.jpg: there", "card/b.jpg: conflict", "card/new.jpg: add"]);
  assert.deepEqual(read, ["card/a.jpg", "card/b.jpg"]);
  assert.deepEqual(gallery.asked.map((one) => one.length), [3, 2]);
  assert.deepEqual(progress, ["1 of 2", "2 of 2"]);
});

test("a file that was read is not read again", async () => {
  const [gallery, digests, file] = [new Gallery({ "a.jpg": "a.jpg" }), new WeakMap(), sendable("a.jpg")];
  await compare(gallery, [file], digests);
  assert.deepEqual((await compare(gallery, [file], digests)).findings, ["a.jpg: there"]);
  assert.deepEqual(read, []);
});

test("a file that cannot be read, and one that the server does not take, are left out with their reasons", async () => {
  const gallery = new Gallery({ "gone.jpg": "x", "a.jpg": "a.jpg" });
  gallery.faulty = "faulty.jpg";
  const { findings, refused } = await compare(gallery, ["faulty.jpg", "a.jpg", "gone.jpg"].map((name) => sendable(name)));
  assert.deepEqual(findings, ["a.jpg: there"]);
  assert.deepEqual(refused, ["faulty.jpg: The name cannot be used", "gone.jpg: Cannot be read"]);
});

test("10,000 and more files go in several requests, and their answers to the right files", async () => {
  const files = Array.from({ length: 12_001 }, (_, index) => sendable(`${index}.jpg`));
  const gallery = new Gallery({ "11000.jpg": "11000.jpg" });
  const { findings } = await compare(gallery, files);
  assert.deepEqual(findings.filter((one) => !one.endsWith(": add")), ["11000.jpg: there"]);
  assert.deepEqual(gallery.asked.map((one) => one.length), [5000, 5000, 2001, 1]);
});

test("what is aborted ends without a result", async () => {
  const [gallery, end] = [new Gallery({ "a.jpg": "x" }), new AbortController()];
  const all = compareWithGallery([sendable("a.jpg")], { api: gallery, digests: new WeakMap(), signal: end.signal, onProgress: () => end.abort(), digest });
  await assert.rejects(all, { name: "AbortError" });
});

test("the second of both gets a name that the gallery does not have", async () => {
  const gallery = new Gallery({ "a.jpg": "x", "a (2).jpg": "y", "b.jpg": "b.jpg" });
  const files = ["a.jpg", "b.jpg", "c.jpg"].map((name) => sendable(name));
  const given = { api: gallery, digests: new WeakMap(), signal: new AbortController().signal, onProgress: () => {}, digest };
  const { compared } = await compareWithGallery(files, given);
  const { names, refused } = await namesForBoth(compared, files.map((one) => one.name), gallery);
  assert.deepEqual([...names], [["a.jpg", "a (3).jpg"]]);
  assert.deepEqual(refused, []);
});

test("a numbered name that the gallery does not accept leaves out its file, and holds up no other", async () => {
  const gallery = new Gallery({ "a.jpg": "x", "b.jpg": "y" });
  gallery.faulty = "a (2).jpg";
  const given = { api: gallery, digests: new WeakMap(), signal: new AbortController().signal, onProgress: () => {}, digest };
  const { compared } = await compareWithGallery(["a.jpg", "b.jpg"].map((name) => sendable(name)), given);
  for (const [some, expected] of /** @type {[typeof compared, string[][]][]} */ ([[compared, [["b.jpg", "b (2).jpg"]]], [compared.slice(0, 1), []]])) {
    const { names, refused } = await namesForBoth(some, [], gallery);
    assert.deepEqual([...names], expected);
    assert.deepEqual(refused.map(({ name, title }) => [name, title]), [["a.jpg", "No free name"]]);
  }
});

test("a faulty name alone is left out like one among others", async () => {
  const gallery = new Gallery({});
  gallery.faulty = "faulty.jpg";
  assert.deepEqual((await compare(gallery, [sendable("faulty.jpg")])).refused, ["faulty.jpg: The name cannot be used"]);
});

test("what is read is what is not known yet", async () => {
  const [known, unknown, gone] = ["a.jpg", "b.jpg", "gone.jpg"].map((name) => sendable(name));
  const digests = new WeakMap([[known.file, "a.jpg"]]);
  read = [];
  const unreadable = await readAll([known, unknown, gone], { digests, signal: new AbortController().signal, onProgress: () => {}, digest });
  assert.deepEqual(read, ["b.jpg", "gone.jpg"]);
  assert.deepEqual([...unreadable], [gone]);
  assert.equal(digests.get(unknown.file), "b.jpg");
});

test("what was there and is no longer is found by content, also under another name", async () => {
  const gallery = new Gallery({ "a.jpg": "a", "moved.jpg": "b", "c.jpg": "another" });
  const there = ["a", "b", "c", "d"].map((content) => ({ file_name: `${content}.jpg`, size: 1, sha256: content }));
  const { gone, unsure } = await noLongerThere(there, gallery);
  assert.deepEqual([gone.map((one) => one.file_name), unsure], [["c.jpg", "d.jpg"], []]);
  assert.deepEqual(await noLongerThere([], gallery), { gone: [], unsure: [] });
  assert.equal(gallery.asked.length, 1);
});

test("what an upload under way may replace is not known yet, under its own name or another one", async () => {
  const gallery = new Gallery({ "a.jpg": "a", "moved.jpg": "b", "c.jpg": "c", "second.jpg": "c" });
  gallery.underWay = ["a.jpg", "moved.jpg", "c.jpg"];
  const there = ["a", "b", "c"].map((content) => ({ file_name: `${content}.jpg`, size: 1, sha256: content }));
  const names = async () => Object.values(await noLongerThere(there, gallery)).map((files) => files.map((one) => one.file_name));
  assert.deepEqual(await names(), [[], ["a.jpg", "b.jpg"]]);
  gallery.underWay = [];
  assert.deepEqual(await names(), [[], []]);
});
