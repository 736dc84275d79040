/* Tells before anything is sent which files would be refused, and why: better now than after an hour's upload. */

/**
 * @import { LimitsAnswer } from "../api/schemas.ts"
 * @import { Item, Reason } from "./groups.js"
 * @import { Named } from "./pick.js"
 * @typedef {Named & { size: number, type: string }} Sendable
 */

import { brokenRule } from "./names.js";
import { bytes, extensionOf, number } from "./words.js";

// By the kinds of files that the server names in its limits.
/** @type {Record<string, (extension: string) => Reason>} */
const WORDS = {
  raw: (extension) => ({
    title: `Camera RAW (.${extension})`,
    advice: "RAW files have to be developed first: export them as JPEG, TIFF or PNG and send those.",
  }),
  video: (extension) => ({ title: `Video (.${extension})`, advice: "A gallery takes photographs only." }),
  other: (extension) => ({
    title: `Not supported (.${extension})`,
    advice: "Export it as JPEG, TIFF or PNG. If it is no photograph, there is nothing to do.",
  }),
};
// Browsers know no type for these on some systems.
/** @type {Record<string, string>} */
const TYPES = { heic: "image/heic", heif: "image/heif", webp: "image/webp", avif: "image/avif" };
const TYPE = /^[A-Za-z0-9!#$&^_.+-]{1,60}\/[A-Za-z0-9!#$&^_.+-]{1,60}$/;

/**
 * Divide named files into those that can be sent and those that would be refused, each with its reason.
 * @param {Named[]} files
 * @param {LimitsAnswer} limits
 */
export function sortOut(files, limits) {
  const kinds = kindByExtension(limits);
  /** @type {Map<string, Sendable>} */
  const good = new Map();
  /** @type {Item[]} */
  const refused = [];
  for (const { name, file } of files) {
    const earlier = good.get(name);
    const why = earlier ? twice(earlier.file, file) : reasonAgainst(name, file, limits, kinds);
    if (why) refused.push({ name, ...why });
    else if (!earlier) good.set(name, { name, file, size: file.size, type: typeOf(name, file) });
  }
  const inOrder = [...good.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  return { good: inOrder, refused: refused.sort((a, b) => (a.name < b.name ? -1 : 1)) };
}

/** @type {(earlier: File, file: File) => Reason | null} */
function twice(earlier, file) {
  // The same file chosen again is no mistake worth a word.
  if (earlier.size === file.size && earlier.lastModified === file.lastModified) return null;
  return {
    title: "Twice the same name",
    advice: "A gallery can hold a name only once. The first file with this name is sent; rename the other one to send it too.",
  };
}

/** @type {(name: string, file: File, limits: LimitsAnswer, kinds: Map<string, string>) => Reason | null} */
function reasonAgainst(name, file, limits, kinds) {
  const extension = extensionOf(name);
  const broken = brokenRule(name);
  if (broken) return { title: `The name ${broken}`, advice: "Rename the file or its folder and choose it again." };
  const kind = kinds.get(extension);
  if (kind !== undefined) return (WORDS[kind] ?? WORDS.other)(extension);
  if (file.size === 0) return { title: "Empty file", advice: "It has no content; perhaps copying it was interrupted. Copy it again from the card." };
  if (file.size > limits.max_file_bytes) {
    return { title: `Larger than ${bytes(limits.max_file_bytes)}`, advice: "Export it smaller, for example as a JPEG of high quality." };
  }
  return null;
}

/**
 * The kind of each extension that the server refuses; an older server has them in one list, without kinds.
 * @param {LimitsAnswer} limits
 */
function kindByExtension(limits) {
  const kinds = limits.unsupported_kinds ?? { other: limits.unsupported_extensions };
  return new Map(Object.entries(kinds).flatMap(([kind, extensions]) => extensions.map((one) => [one, kind])));
}

/**
 * A sentence where there are more files than one upload takes; null where there are not.
 * @param {number} count
 * @param {LimitsAnswer} limits
 */
export function tooMany(count, limits) {
  if (count <= limits.max_files) return null;
  return `One upload takes ${number(limits.max_files)} photographs, and these are ${number(count)}. Send them in several folders, one after the other.`;
}

/** @type {(name: string, file: File) => string} */
function typeOf(name, file) {
  const type = TYPES[extensionOf(name)] ?? file.type;
  return TYPE.test(type) ? type : "application/octet-stream";
}
