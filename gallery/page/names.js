/* The rules for file names, as gallery/names.py has them: the server refuses a whole request for one bad name. */

const MAX_BYTES = 255;
const LONGEST_EXTENSION = 16; // bytes
const GALLERY_ID = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

// What operating systems leave in folders; nobody means to send it. As in gallery/client/folder.py.
const LITTER = new Set([
  "Thumbs.db",
  "ehthumbs.db",
  "desktop.ini",
  "Icon\r",
  "__MACOSX",
  "$RECYCLE.BIN",
  "System Volume Information",
  "@eaDir",
]);

/** @param {string} text */
export function isGalleryId(text) {
  return GALLERY_ID.test(text);
}

/**
 * Whether a file or a folder is hidden, or litter of an operating system.
 * @param {string} part
 */
export function isHidden(part) {
  return part.startsWith(".") || LITTER.has(part);
}

/**
 * Which rule a name (in NFC) breaks, in words that follow "The name"; null where it breaks none.
 * @param {string} name
 */
export function brokenRule(name) {
  if (/\p{Cs}/u.test(name)) return "has characters that are no valid Unicode";
  if (bytesOf(name) > MAX_BYTES) return `is too long: with its folders at most ${MAX_BYTES} bytes`;
  if (name.split("/").some((part) => part === "" || part === "." || part === "..")) return "has an empty part in its path";
  if (name.includes("\\")) return "has a backslash";
  if (/[\p{Cc}\p{Zl}\p{Zp}\uFFFE\uFFFF]/u.test(name)) return "has an invisible control character";
  if (/\s$/u.test(name)) return "ends in a space";
  if (name.includes("${")) return "has a dollar sign before a curly bracket";
  return null;
}

/**
 * `card1/IMG_0001.JPG` as `card1/IMG_0001 (2).JPG`, its stem cut where the name would be too long; without its folder
 * where that alone leaves no room. As `numbered` in gallery/names.py.
 * @type {(name: string, copy: number) => string}
 */
export function numberedName(name, copy) {
  const base = name.slice(name.lastIndexOf("/") + 1);
  const dot = base.lastIndexOf(".");
  const hasExtension = dot > 0 && bytesOf(base.slice(dot + 1)) <= LONGEST_EXTENSION;
  const stem = [...(hasExtension ? base.slice(0, dot) : base)];
  const tail = ` (${copy})${hasExtension ? base.slice(dot) : ""}`;
  let folder = name.slice(0, name.length - base.length);
  if (bytesOf(folder + tail) >= MAX_BYTES) folder = "";
  let kept = stem.length;
  while (bytesOf(folder + stem.slice(0, kept).join("") + tail) > MAX_BYTES) kept -= 1;
  // Never between a letter and the accents that belong to it.
  while (kept && kept < stem.length && /\p{M}/u.test(stem[kept])) kept -= 1;
  return folder + stem.slice(0, kept).join("") + tail;
}

/** @param {string} text */
function bytesOf(text) {
  return new TextEncoder().encode(text).length;
}
