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

/** @type {Reason} */
const TWICE = {
  title: "Twice the same name",
  advice: "A gallery can hold a name only once. The first file with this name is sent. To send the other one too, choose it again afterwards, or rename it.",
};

/**
 * Divide named files into those that can be sent and those that would be refused, each with its reason. `digests` tells
 * which of the `lookalikes` are the same photograph, chosen again: that is no mistake worth a word.
 * @param {Named[]} files
 * @param {LimitsAnswer} limits
 * @param {WeakMap<File, string>} [digests]
 */
export function sortOut(files, limits, digests = new WeakMap()) {
  const kinds = kindByExtension(limits);
  /** @type {Sendable[]} */
  const good = [];
  /** @type {Item[]} */
  const refused = [];
  /** @type {Map<string, File[]>} */
  const byName = new Map();
  for (const { name, file } of files) {
    const why = reasonAgainst(name, file, limits, kinds);
    const earlier = byName.get(name);
    if (why) refused.push({ name, ...why });
    else if (!earlier) {
      byName.set(name, [file]);
      good.push({ name, file, size: file.size, type: typeOf(name, file) });
    } else if (!earlier.some((one) => haveSameContent(one, file, digests))) {
      earlier.push(file);
      refused.push({ name, ...TWICE });
    }
  }
  return { good: good.sort(byNames), refused: refused.sort(byNames) };
}

/**
 * Files that share name and size with others of `files`. Only their content tells whether they are the same: cards are
 * copied with their times, and cameras write files of equal size.
 * @param {Named[]} files
 * @param {LimitsAnswer} limits
 */
export function lookalikes(files, limits) {
  const kinds = kindByExtension(limits);
  /** @type {Map<string, Named[]>} */
  const alike = new Map();
  for (const one of files) {
    if (reasonAgainst(one.name, one.file, limits, kinds)) continue;
    const key = `${one.file.size} ${one.name}`;
    const others = alike.get(key);
    if (others) others.push(one);
    else alike.set(key, [one]);
  }
  return [...alike.values()].filter((group) => group.length > 1).flat();
}

/** @type {(one: File, other: File, digests: WeakMap<File, string>) => boolean} */
function haveSameContent(one, other, digests) {
  const digest = digests.get(one);
  return one === other || (digest !== undefined && digest === digests.get(other));
}

/** @type {(a: { name: string }, b: { name: string }) => number} */
function byNames(a, b) {
  return a.name < b.name ? -1 : 1;
}

/** @type {(name: string, file: File, limits: LimitsAnswer, kinds: Map<string, string>) => Reason | null} */
function reasonAgainst(name, file, limits, kinds) {
  const extension = extensionOf(name);
  const broken = brokenRule(name);
  if (broken) return { title: `The name ${broken}`, advice: "Rename the file or its folder and choose it again." };
  const kind = kinds.get(extension);
  if (kind !== undefined) return (WORDS[kind] ?? WORDS.other)(extension);
  if (file.size === 0) return { title: "Empty file", advice: "The file has no content (0 bytes), so there is nothing to send. Copying it may have been interrupted: copy it again from the card." };
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
