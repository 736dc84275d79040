/**
 * @import { FileToCompare } from "../../gallery/api/schemas.ts"
 * @import { Compared } from "../../gallery/page/compare.js"
 */

import assert from "node:assert/strict";
import { test } from "node:test";

import { found, mayBeUnderWay } from "../../gallery/page/compare.js";
import { compareWithGallery } from "../../gallery/page/comparing.js";
import { ApiError } from "../../gallery/page/api.js";
import { keepAsking } from "../../gallery/page/under_way.js";

/** A gallery into which another upload brings `a.jpg`, which ends after some rounds. */
class Gallery {
  /** @type {string[][]} */
  asked = [];

  /** @param {number} rounds */
  constructor(rounds) {
    this.rounds = rounds;
  }

  /** @type {(files: FileToCompare[]) => ReturnType<import("../../gallery/page/api.js").GalleryApi["compare"]>} */
  async compare(files) {
    this.asked.push(files.map((one) => one.file_name));
    const isUnderWay = this.asked.length <= this.rounds;
    return {
      files: files.map(({ file_name }) => ({
        file_name, would: "add", sha256: null, image_id: null, same_content_as: isUnderWay || file_name !== "a.jpg" ? [] : ["card/a.jpg"],
        recipe: null, hash_wanted: false, under_way_as: isUnderWay && file_name === "a.jpg" ? ["card/a.jpg"] : [], same_content_under_way: [],
      })),
    };
  }
}

/**
 * Compare two files, then ask again as the page does.
 * @param {Gallery} gallery
 * @param {{ onPause?: (round: number) => void, signal?: AbortSignal }} [given]
 */
async function waitFor(gallery, { onPause = () => {}, signal = new AbortController().signal } = {}) {
  /** @type {number[]} */
  const pauses = [];
  /** @type {string[]} */
  const troubles = [];
  const files = ["a.jpg", "b.jpg"].map((name) => ({ name, file: new File(["x"], name), size: 1, type: "image/jpeg" }));
  /** @param {typeof files} some */
  const compare = async (some) => (await compareWithGallery(some, { api: gallery, digests: new WeakMap(), signal, onProgress: () => {}, digest: async () => {} })).compared;
  /** @type {Compared[]} */
  let compared = await compare(files);
  await keepAsking({
    pending: () => compared.filter(mayBeUnderWay).map((one) => one.file),
    ask: async (some) => {
      const answers = new Map((await compare(some)).map((one) => [one.file.name, one]));
      const before = compared.filter(mayBeUnderWay).length;
      compared = compared.map((one) => answers.get(one.file.name) ?? one);
      return compared.filter(mayBeUnderWay).length !== before;
    },
    onTrouble: (error) => troubles.push(error.message),
    signal,
    pause: async (milliseconds) => {
      pauses.push(milliseconds / 1000);
      onPause(pauses.length);
    },
  });
  return { findings: compared.map(({ file, finding }) => `${file.name}: ${finding}`), pauses, troubles };
}

test("the end of another upload is waited for, ever longer; only its files are asked about again, and then it is known", async () => {
  const gallery = new Gallery(7);
  const { findings, pauses } = await waitFor(gallery);
  assert.deepEqual(findings, ["a.jpg: elsewhere", "b.jpg: add"]);
  assert.deepEqual(gallery.asked, [["a.jpg", "b.jpg"], ...Array(7).fill(["a.jpg"])]);
  assert.deepEqual(pauses, [5, 7.5, 11.25, 16.875, 25.3125, 30, 30]);
});

test("nothing is asked again where no upload is under way", async () => {
  const gallery = new Gallery(0);
  assert.deepEqual((await waitFor(gallery)).pauses, []);
  assert.equal(gallery.asked.length, 1);
});

test("a round that fails is told, and followed by the next one", async () => {
  const gallery = new Gallery(2);
  const compare = gallery.compare.bind(gallery);
  let round = 0;
  gallery.compare = async (files) => (++round === 2 ? Promise.reject(new ApiError(0, "unreachable", "no line")) : compare(files));
  const { findings, troubles } = await waitFor(gallery);
  assert.deepEqual(findings, ["a.jpg: elsewhere", "b.jpg: add"]);
  assert.deepEqual(troubles, ["no line"]);
  assert.equal(round, 4);
});

test("a fresh upload link ends the pause", async (context) => {
  const page = new EventTarget();
  Object.assign(globalThis, { addEventListener: page.addEventListener.bind(page), document: { hidden: false } });
  context.mock.timers.enable({ apis: ["setTimeout"] }); // whose time stands still
  let rounds = 0;
  const asking = keepAsking({
    pending: () => (rounds < 2 ? ["a.jpg"] : []),
    ask: async () => Boolean(++rounds),
    onTrouble: () => {},
    signal: new AbortController().signal,
  });
  for (const round of [1, 2]) {
    page.dispatchEvent(new Event("link-renewed"));
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(rounds, round);
  }
  await asking;
});

test("another choice of files ends the waiting", async () => {
  const [gallery, end] = [new Gallery(100), new AbortController()];
  await waitFor(gallery, { signal: end.signal, onPause: (round) => round === 3 && end.abort() });
  assert.equal(gallery.asked.length, 3);
});

test("what the gallery has only where an upload under way may replace it may be under way itself", () => {
  const answer = { file_name: "a.jpg", would: /** @type {const} */ ("add"), sha256: null, image_id: null, recipe: null, hash_wanted: false, under_way_as: [], same_content_under_way: ["b.jpg"] };
  assert.equal(mayBeUnderWay({ answer: { ...answer, same_content_as: [] } }), true);
  assert.equal(mayBeUnderWay({ answer: { ...answer, same_content_as: ["c.jpg"] } }), false);
});

test("an older server does not say what is under way", () => {
  const answer = { file_name: "a.jpg", would: /** @type {const} */ ("unknown"), sha256: null, image_id: null, same_content_as: [], recipe: null, hash_wanted: false };
  assert.equal(mayBeUnderWay(found({ name: "a.jpg", file: new File([], "a.jpg"), size: 1, type: "" }, answer)), false);
});
