/* Tells before anything is sent which files would be refused, and why: better now than after an hour's upload. */

import { brokenRule } from "./names.js";
import { bytes, extensionOf, number } from "./words.js";

const RAW = new Set(
  "3fr ari arw bay cr2 cr3 crw dcr dcs dng erf fff iiq k25 kdc mef mos mrw nef nrw orf pef raf raw rw2 rwl sr2 srf srw x3f".split(" "),
);
const VIDEO = new Set("3gp avi flv m2ts m4v mkv mov mp4 mpeg mpg mts ogv webm wmv".split(" "));
// Browsers know no type for these on some systems.
const TYPES = { heic: "image/heic", heif: "image/heif", webp: "image/webp", avif: "image/avif" };
const TYPE = /^[A-Za-z0-9!#$&^_.+-]{1,60}\/[A-Za-z0-9!#$&^_.+-]{1,60}$/;

/** Divide named files into those that can be sent and those that would be refused, each with its reason. */
export function sortOut(files, limits) {
  const unsupported = new Set(limits.unsupported_extensions.map((one) => one.toLowerCase().replace(/^\./, "")));
  const good = new Map();
  const refused = [];
  for (const { name, file } of files) {
    const earlier = good.get(name);
    const why = earlier ? twice(earlier.file, file) : reasonAgainst(name, file, limits, unsupported);
    if (why) refused.push({ name, ...why });
    else if (!earlier) good.set(name, { name, file, size: file.size, type: typeOf(name, file) });
  }
  const inOrder = [...good.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  return { good: inOrder, refused: refused.sort((a, b) => (a.name < b.name ? -1 : 1)) };
}

function twice(earlier, file) {
  // The same file chosen again is no mistake worth a word.
  if (earlier.size === file.size && earlier.lastModified === file.lastModified) return null;
  return {
    title: "Twice the same name",
    advice: "A gallery can hold a name only once. The first file with this name is sent; rename the other one to send it too.",
  };
}

function reasonAgainst(name, file, limits, unsupported) {
  const extension = extensionOf(name);
  const broken = brokenRule(name);
  if (broken) return { title: `The name ${broken}`, advice: "Rename the file or its folder and choose it again." };
  if (unsupported.has(extension)) return unsupportedKind(extension);
  if (file.size === 0) return { title: "Empty file", advice: "It has no content; perhaps copying it was interrupted. Copy it again from the card." };
  if (file.size > limits.max_file_bytes) {
    return { title: `Larger than ${bytes(limits.max_file_bytes)}`, advice: "Export it smaller, for example as a JPEG of high quality." };
  }
  return null;
}

function unsupportedKind(extension) {
  if (RAW.has(extension)) {
    return { title: `Camera RAW (.${extension})`, advice: "RAW files have to be developed first: export them as JPEG, TIFF or PNG and send those." };
  }
  if (VIDEO.has(extension)) return { title: `Video (.${extension})`, advice: "A gallery takes photographs only." };
  return { title: `Not supported (.${extension})`, advice: "Export it as JPEG, TIFF or PNG. If it is no photograph, there is nothing to do." };
}

/** A sentence where there are more files than one upload takes; null where there are not. */
export function tooMany(count, limits) {
  if (count <= limits.max_files) return null;
  return `One upload takes ${number(limits.max_files)} photographs, and these are ${number(count)}. Send them in several folders, one after the other.`;
}

function typeOf(name, file) {
  const type = TYPES[extensionOf(name)] ?? file.type;
  return TYPE.test(type) ? type : "application/octet-stream";
}
