/* Compares chosen files with the gallery: by name and size first, and by content where those leave it open. */

/**
 * @import { FileToCompare } from "../api/schemas.ts"
 * @import { GalleryApi } from "./api.js"
 * @import { Sendable } from "./check.js"
 * @import { Answer, Compared } from "./compare.js"
 * @import { Item } from "./groups.js"
 * @typedef {{ compared: Compared[], refused: Item[] }} Comparison
 * @typedef {object} Reading
 * @property {WeakMap<File, string>} digests what is known of files already
 * @property {AbortSignal} signal rejects when it aborts
 * @property {(done: number, total: number) => void} onProgress how many of the files that have to be read are
 * @property {typeof digestAll} [digest]
 */

import { found, mayBeUnderWay, numberedNames } from "./compare.js";
import { digestAll } from "./digesting.js";
import { leavingOutFaulty } from "./faulty.js";

const AT_ONCE = 5_000; // files in one request
const UNREADABLE = { title: "Cannot be read", advice: "It was moved, changed, or its card was taken out. Put it back and choose it again." };
const NO_FREE_NAME = { title: "No free name", advice: "Another photograph has this name, and the gallery does not accept the name with a number after it. Rename the file and choose it again." };

/**
 * Read what is not known of `files` yet. Gives those that cannot be read.
 * @template {{ file: File }} Item
 * @param {Item[]} files
 * @param {Reading} reading
 * @returns {Promise<Set<Item>>}
 */
export async function readAll(files, { digests, signal, onProgress, digest = digestAll }) {
  const toRead = files.filter((one) => !digests.has(one.file));
  /** @type {Set<Item>} */
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
  return unreadable;
}

/**
 * @param {Sendable[]} files
 * @param {Reading & { api: Pick<GalleryApi, "compare"> }} given
 * @returns {Promise<Comparison>}
 */
export async function compareWithGallery(files, { api, ...reading }) {
  const { digests, signal } = reading;
  /** @type {Map<string, Answer>} */
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
      answer?.files.forEach((one, index) => answers.set(taken[index].name, one));
      refused.push(...leftOut);
    }
  };
  await ask(files);
  const toRead = files.filter(({ name }) => answers.get(name)?.hash_wanted);
  const unreadable = await readAll(toRead, reading);
  for (const { name } of unreadable) refused.push({ name, ...UNREADABLE });
  await ask(toRead.filter((one) => !unreadable.has(one)));
  const compared = files.flatMap((file) => {
    const answer = answers.get(file.name);
    return answer && !unreadable.has(file) ? [found(file, answer)] : [];
  });
  return { compared, refused };
}

/**
 * The name of the second one, for all of which both may be kept: free in the gallery, and none of `taken`. `refused`:
 * those for which there is no such name.
 * @param {Compared[]} compared
 * @param {Iterable<string>} taken
 * @param {Pick<GalleryApi, "compare">} api
 */
export async function namesForBoth(compared, taken, api) {
  const files = compared.filter(({ answer }) => answer.would === "replace" || answer.would === "unknown").map((one) => one.file);
  const names = await numberedNames(files, taken, async (candidates) => {
    /** @type {Map<string, boolean>} */
    const free = new Map();
    for (const some of portions(candidates)) {
      const { answer, files: accepted } = await leavingOutFaulty(some, (rest) => api.compare(rest.map(({ name, size }) => ({ file_name: name, size }))));
      answer?.files.forEach((one, index) => free.set(accepted[index].name, one.would === "add"));
    }
    return candidates.map((one) => free.get(one.name) ?? null);
  });
  /** @type {Item[]} */
  const refused = files.flatMap(({ name }) => (names.has(name) ? [] : [{ name, ...NO_FREE_NAME }]));
  return { names, refused };
}

/**
 * Which of `files`, each with its digest, the gallery no longer has (`gone`), by content; and of which that is not known
 * yet, since an upload under way may have them or replace them (`unsure`).
 * @template {FileToCompare} File
 * @param {File[]} files
 * @param {Pick<GalleryApi, "compare">} api
 */
export async function noLongerThere(files, api) {
  /** @type {{ gone: File[], unsure: File[] }} */
  const found = { gone: [], unsure: [] };
  for (const some of portions(files)) {
    const { files: answers } = await api.compare(some);
    some.forEach((file, index) => {
      const answer = answers[index];
      if (answer.would === "leave_unchanged" || answer.same_content_as.length) return;
      if (answer.would === "unknown" || mayBeUnderWay({ answer })) found.unsure.push(file);
      else found.gone.push(file);
    });
  }
  return found;
}

/**
 * @template Item
 * @param {Item[]} files
 */
function* portions(files) {
  for (let at = 0; at < files.length; at += AT_ONCE) yield files.slice(at, at + AT_ONCE);
}
