/* Digests of many files, by workers: the page stays responsive, and memory holds one file per worker at most. */

/** @typedef {Pick<Worker, "postMessage" | "terminate" | "onmessage" | "onerror">} DigestWorker */

import { digest } from "./digest.js";

const WORKERS = 2;

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
  const workers = Array.from({ length: Math.min(WORKERS, items.length) }, start);
  const stopped = new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
  const work = workers.map(async (worker) => {
    const digester = new Digester(worker);
    // All take from the one queue.
    for (const item of queue) onDigest(item, await digester.digest(item.file));
  });
  try {
    await Promise.race([Promise.all(work), stopped]);
  } finally {
    for (const worker of workers) worker.terminate();
  }
}

class Digester {
  #works = true;

  /** @param {DigestWorker} worker */
  constructor(worker) {
    this.worker = worker;
  }

  /**
   * @param {File} file
   * @returns {Promise<string | null>}
   */
  digest(file) {
    // Older browsers have no workers that are modules. The page itself does it then, between its other work.
    if (!this.#works) return digest(file);
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
