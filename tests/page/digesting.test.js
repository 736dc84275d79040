/** @import { DigestWorker } from "../../gallery/page/digesting.js" */

import assert from "node:assert/strict";
import { test } from "node:test";

import { digestAll } from "../../gallery/page/digesting.js";

/** Workers that answer when they are told to, with the file's name as its digest. */
class Workers {
  /** @type {(() => void)[]} */
  answers = [];
  started = 0;
  ended = 0;

  /** @returns {DigestWorker} */
  start() {
    this.started += 1;
    /** @type {DigestWorker} */
    const worker = {
      onmessage: null,
      onerror: null,
      postMessage: (/** @type {File} */ file) => {
        const data = file.name === "gone.jpg" ? null : file.name;
        this.answers.push(() => worker.onmessage?.call(/** @type {Worker} */ (worker), /** @type {MessageEvent} */ ({ data })));
      },
      terminate: () => (this.ended += 1),
    };
    return worker;
  }
}

/** @param {string[]} names */
const items = (...names) => names.map((name) => ({ name, file: new File(["x"], name) }));
const soon = () => new Promise((resolve) => setImmediate(resolve));

test("two workers share the files, one file each at a time, and end with the last", async () => {
  const workers = new Workers();
  /** @type {[string, string | null][]} */
  const digests = [];
  const { signal } = new AbortController();
  const all = digestAll(items("a", "b", "gone.jpg", "d"), { signal, start: () => workers.start(), onDigest: ({ name }, sha256) => digests.push([name, sha256]) });
  for (const underWay of [2, 2, 2, 1]) {
    await soon();
    assert.equal(workers.answers.length, underWay);
    workers.answers.shift()?.();
  }
  await all;
  assert.deepEqual(digests, [["a", "a"], ["b", "b"], ["gone.jpg", null], ["d", "d"]]);
  assert.deepEqual([workers.started, workers.ended], [2, 2]);
});

test("a worker that has read much is replaced, which gives its memory back", async () => {
  const workers = new Workers();
  const many = items("a", "b", "c");
  for (const { file } of many) Object.defineProperty(file, "size", { value: 300_000_000 });
  const all = digestAll(many, { signal: new AbortController().signal, start: () => workers.start(), onDigest: () => {} });
  for (let answers = 0; answers < 3; answers += 1) {
    await soon();
    workers.answers.shift()?.();
  }
  await all;
  assert.deepEqual([workers.started, workers.ended], [3, 3]);
});

test("what is aborted ends its workers in the middle of a file", async () => {
  const [workers, end] = [new Workers(), new AbortController()];
  const all = digestAll(items("a", "b", "c"), { signal: end.signal, start: () => workers.start(), onDigest: () => assert.fail() });
  await soon();
  end.abort();
  await assert.rejects(all, { name: "AbortError" });
  assert.equal(workers.ended, 2);
});

test("no files need no workers", async () => {
  const workers = new Workers();
  await digestAll([], { signal: new AbortController().signal, start: () => workers.start(), onDigest: () => assert.fail() });
  assert.equal(workers.started, 0);
});

test("where workers cannot run, the page computes the digests itself", async () => {
  /** @type {(string | null)[]} */
  const digests = [];
  const start = () => {
    /** @type {DigestWorker} */
    const worker = { onmessage: null, onerror: null, terminate: () => {}, postMessage: () => queueMicrotask(() => worker.onerror?.call(/** @type {Worker} */ (worker), /** @type {ErrorEvent} */ ({}))) };
    return worker;
  };
  await digestAll(items("a", "b", "c"), { signal: new AbortController().signal, start, onDigest: (_, sha256) => digests.push(sha256) });
  assert.deepEqual(digests, Array(3).fill("2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"));
});
