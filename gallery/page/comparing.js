/* Compares chosen files with the gallery: by name and size first, and by content where those leave it open. */

/**
 * @import { ComparedFile } from "../api/schemas.ts"
 * @import { GalleryApi } from "./api.js"
 * @import { Sendable } from "./check.js"
 * @import { Compared } from "./compare.js"
 * @import { Item } from "./groups.js"
 * @typedef {{ compared: Compared[], refused: Item[] }} Comparison
 */

import { found, numberedNames } from "./compare.js";
import { digestAll } from "./digesting.js";
import { leavingOutFaulty } from "./faulty.js";

const AT_ONCE = 5_000; // files in one request
const UNREADABLE = { title: "Cannot be read", advice: "It was moved, changed, or its card was taken out. Put it back and choose it again." };

/**
 * `digests` keeps what is known of files already. `onProgress` tells how many of the files that have to be read are.
 * Rejects when `signal` aborts.
 * @param {Sendable[]} files
 * @param {object} given
 * @param {Pick<GalleryApi, "compare">} given.api
 * @param {WeakMap<File, string>} given.digests
 * @param {AbortSignal} given.signal
 * @param {(done: number, total: number) => void} given.onProgress
 * @param {typeof digestAll} [given.digest]
 * @returns {Promise<Comparison>}
 */
export async function compareWithGallery(files, { api, digests, signal, onProgress, digest = digestAll }) {
  /** @type {Map<string, ComparedFile>} */
  const answers = new Map();
  /** @type {Item[]} */
  const refused = [];
  /** @param {Sendable[]} asked */
  const ask = async (asked) => {
    for (const some of portions(asked)) {
      /** @param {Sendable} file */
      const declare = ({ name, size, file }) => ({ file_name: name, size, sha256: digests.get(file) });
      const { answer, files: taken, leftOut } = await leavingOutFaulty(some, (rest) => api.compare(rest.map(declare)));
      signal.throwIfAborted();
      taken.forEach(({ name }, index) => answers.set(name, answer.files[index]));
      refused.push(...leftOut);
    }
  };
  await ask(files);
  const toRead = files.filter(({ name }) => answers.get(name)?.hash_wanted);
  /** @type {Set<Sendable>} */
  const unreadable = new Set();
  let done = 0;
  await digest(toRead, {
    signal,
    onDigest: (item, sha256) => {
      if (sha256 === null) unreadable.add(item);
      else digests.set(item.file, sha256);
      onProgress(++done, toRead.length);
    },
  });
  for (const { name } of unreadable) refused.push({ name, ...UNREADABLE });
  await ask(toRead.filter((one) => !unreadable.has(one)));
  const compared = files.flatMap((file) => {
    const answer = answers.get(file.name);
    return answer && !unreadable.has(file) ? [found(file, answer)] : [];
  });
  return { compared, refused };
}

/**
 * The name of the second one, for all of which both may be kept: free in the gallery, and none of `taken`.
 * @param {Compared[]} compared
 * @param {Iterable<string>} taken
 * @param {Pick<GalleryApi, "compare">} api
 */
export function namesForBoth(compared, taken, api) {
  const files = compared.filter(({ answer }) => answer.would === "replace" || answer.would === "unknown").map((one) => one.file);
  return numberedNames(files, taken, async (candidates) => {
    /** @type {boolean[]} */
    const free = [];
    for (const some of portions(candidates)) {
      const { files: answers } = await api.compare(some.map(({ name, size }) => ({ file_name: name, size })));
      free.push(...answers.map((one) => one.would === "add"));
    }
    return free;
  });
}

/** @param {Sendable[]} files */
function* portions(files) {
  for (let at = 0; at < files.length; at += AT_ONCE) yield files.slice(at, at + AT_ONCE);
}
