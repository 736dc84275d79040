/* Digests of many files, by workers: the page stays responsive, and memory holds one file per worker at most. */

/** @typedef {Pick<Worker, "postMessage" | "terminate" | "onmessage" | "onerror">} DigestWorker */

import { digest } from "./digest.js";

const WORKERS = 2;
// Browsers are late to collect what was read. The memory of a worker goes with it.
const READ_BY_ONE = 32 * 1024 * 1024; // bytes

function startWorker() {
  return new Worker(new URL("./digest_worker.js", import.meta.url), { type: "module" });
}

/**
 * Call `onDigest` for each file as soon as its digest is known, null where the file cannot be read. Resolves when all
 * are done; rejects when `signal` aborts.
 * @template {{ file: File }} Item
 * @param {Item[]} items
 * @param {{ onDigest: (item: Item, sha256: string | null) => void, signal: AbortSignal, start?: () => DigestWorker }} options
 */
export async function digestAll(items, { onDigest, signal, start = startWorker }) {
  const queue = items.values();
  const digesters = Array.from({ length: Math.min(WORKERS, items.length) }, () => new Digester(start));
  const stopped = new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
  const work = digesters.map(async (digester) => {
    // All take from the one queue.
    for (const item of queue) onDigest(item, await digester.digest(item.file));
  });
  try {
    await Promise.race([Promise.all(work), stopped]);
  } finally {
    for (const digester of digesters) digester.end();
  }
}

class Digester {
  #works = true;
  #read = 0;

  /** @param {() => DigestWorker} start */
  constructor(start) {
    this.start = start;
    this.worker = start();
  }

  end() {
    this.worker.terminate();
  }

  /**
   * @param {File} file
   * @returns {Promise<string | null>}
   */
  digest(file) {
    // Older browsers have no workers that are modules. The page itself does it then, between its other work.
    if (!this.#works) return digest(file);
    if (this.#read > READ_BY_ONE) {
      this.end();
      this.worker = this.start();
      this.#read = 0;
    }
    this.#read += file.size;
    return new Promise((resolve) => {
      this.worker.onmessage = ({ data }) => resolve(data);
      this.worker.onerror = () => {
        this.#works = false;
        resolve(digest(file));
      };
      this.worker.postMessage(file);
    });
  }
}
