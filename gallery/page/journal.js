/* Remembers in this browser what is being sent, so that a reload or a crash costs nothing but choosing the folder again:
a page may not keep hold of files by itself. Written before the first byte is sent; one upload a gallery. */

/**
 * @import { FileToCompare } from "../api/schemas.ts"
 * @import { Item } from "./groups.js"
 * @import { Named } from "./pick.js"
 * @import { FileToSend } from "./sender.js"
 * @typedef {{ name: string, size: number }} Missing
 * @typedef {Missing & { lastModified: number, path: string }} KeptFile `path`: as it was dropped, where "keep both" gave it another name
 * @typedef {{ there: FileToCompare[], skipped: number, leftOut: Item[] }} NotSent
 * Which of the chosen files were in the gallery already, and how many were skipped by choice; what the server does not take.
 * @typedef {{ uploadId: string, state: "open" | "accepted", files: KeptFile[], notSent: NotSent }} Kept
 * @typedef {Named & { path?: string }} Opened
 * @typedef {{ files: FileToSend[], absent: Missing[], changed: Missing[], edited: string[], others: number }} Matched
 */

const PREFIX = "gallery-upload/";
/** @type {NotSent} */
export const ALL_SENT = { there: [], skipped: 0, leftOut: [] };

export class Journal {
  /** @param {string} galleryId */
  constructor(galleryId) {
    this.key = PREFIX + galleryId;
  }

  /** @returns {Kept | null} */
  read() {
    try {
      const kept = JSON.parse(localStorage.getItem(this.key) ?? sessionStorage.getItem(this.key) ?? "null");
      if (typeof kept?.uploadId !== "string" || !Array.isArray(kept.files)) return null;
      /** @type {[name: string, size: number, lastModified: number, path?: string][]} */
      const rows = kept.files;
      const files = rows.map(([name, size, lastModified, path]) => ({ name, size, lastModified, path: path ?? name }));
      return { uploadId: kept.uploadId, state: kept.state, files, notSent: notSentOf(kept.notSent) };
    } catch {
      return null;
    }
  }

  /**
   * @param {string} uploadId
   * @param {Opened[]} files
   * @param {NotSent} notSent
   */
  opened(uploadId, files, notSent) {
    const rows = files.map(({ name, file, path = name }) => [name, file.size, file.lastModified, ...(path === name ? [] : [path])]);
    return this.#write({ uploadId, state: "open", files: rows, notSent: rowsOf(notSent) });
  }

  /**
   * From here on only the upload's id matters, to go on watching after a reload, and what its end has to tell.
   * @param {string} uploadId
   * @param {NotSent} notSent
   */
  accepted(uploadId, notSent) {
    return this.#write({ uploadId, state: "accepted", files: [], notSent: rowsOf(notSent) });
  }

  /**
   * Its end was seen: a reload of this tab may show it again, but the next link begins afresh.
   * @param {string} uploadId
   * @param {NotSent} notSent
   */
  finished(uploadId, notSent) {
    this.accepted(uploadId, notSent);
    try {
      sessionStorage.setItem(this.key, localStorage.getItem(this.key) ?? "null");
      localStorage.removeItem(this.key);
    } catch {
      /* then a reload begins afresh, too */
    }
  }

  forget() {
    try {
      localStorage.removeItem(this.key);
      sessionStorage.removeItem(this.key);
    } catch {
      /* nothing was kept */
    }
  }

  /**
   * Whether it could be kept: storage may be full, or forbidden in a private window.
   * @param {object} value
   */
  #write(value) {
    try {
      localStorage.setItem(this.key, JSON.stringify(value));
      return true;
    } catch {
      return false;
    }
  }
}

/** @param {NotSent} notSent */
function rowsOf({ there, ...rest }) {
  return { ...rest, there: there.map(({ file_name, size, sha256 }) => [file_name, size, sha256]) };
}

/**
 * @param {any} kept as `rowsOf` gives it, if at all
 * @returns {NotSent}
 */
function notSentOf(kept) {
  /** @type {[file_name: string, size: number, sha256: string][]} Former versions of this page kept only their number. */
  const rows = Array.isArray(kept?.there) ? kept.there : [];
  return { ...ALL_SENT, ...kept, there: rows.map(([file_name, size, sha256]) => ({ file_name, size, sha256 })) };
}

/**
 * Match chosen files with a remembered upload of which `missing` (names) have not arrived: by path and size, since
 * other bytes would not be taken. `files` go on, `absent` and `changed` cannot, `edited` were saved
 * anew after they had been sent, `others` do not belong to the upload.
 * @param {KeptFile[]} remembered
 * @param {Set<string>} missing
 * @param {Named[]} chosen
 */
export function match(remembered, missing, chosen) {
  // Of two of one name, the first one is sent.
  const byPath = new Map([...chosen].reverse().map((one) => [one.name, one.file]));
  /** @type {Matched} */
  const matched = { files: [], absent: [], changed: [], edited: [], others: 0 };
  for (const { name, size, lastModified, path } of remembered) {
    const file = byPath.get(path);
    if (!missing.has(name)) {
      matched.files.push({ name, size, file: null });
      if (file && (file.size !== size || file.lastModified > lastModified)) matched.edited.push(name);
    } else if (!file) matched.absent.push({ name, size });
    else if (file.size !== size) matched.changed.push({ name, size });
    else matched.files.push({ name, size, file });
  }
  const known = new Set(remembered.map((one) => one.path));
  matched.others = chosen.filter((one) => !known.has(one.name)).length;
  return matched;
}

/**
 * Chosen files under the paths that fit a remembered upload best. Its folder may have been chosen within another one, or
 * alone, this time; and older versions of this page left out the top folder's name.
 * @param {KeptFile[]} remembered
 * @param {Set<string>} missing
 * @param {Named[]} chosen
 */
export function fitting(remembered, missing, chosen) {
  const wanted = new Set(remembered.filter((one) => missing.has(one.name)).map((one) => one.path));
  const [top, ...otherTops] = new Set(remembered.map((one) => topOf(one.path)));
  const variants = [chosen, chosen.map(({ name, file }) => ({ name: name.slice(topOf(name).length), file }))];
  if (top && !otherTops.length) variants.push(chosen.map(({ name, file }) => ({ name: top + name, file })));
  /** @param {Named[]} list */
  const fits = (list) => list.filter((one) => wanted.has(one.name)).length;
  return variants.sort((a, b) => fits(b) - fits(a))[0];
}

/**
 * The top folder of a path with its slash; "" where there is none.
 * @param {string} path
 */
function topOf(path) {
  return path.slice(0, path.indexOf("/") + 1);
}
