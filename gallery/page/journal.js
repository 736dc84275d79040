/* Remembers in this browser what is being sent, so that a reload or a crash costs nothing but choosing the folder again:
a page may not keep hold of files by itself. Written before the first byte is sent; one upload a gallery. */

/**
 * @import { Named } from "./pick.js"
 * @import { FileToSend } from "./sender.js"
 * @typedef {{ name: string, size: number }} Missing
 * @typedef {Missing & { lastModified: number }} KeptFile
 * @typedef {{ uploadId: string, state: "open" | "accepted", files: KeptFile[] }} Kept
 * @typedef {{ files: FileToSend[], absent: Missing[], changed: Missing[], edited: string[], others: number }} Matched
 */

const PREFIX = "gallery-upload/";

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
      /** @type {[name: string, size: number, lastModified: number][]} */
      const rows = kept.files;
      const files = rows.map(([name, size, lastModified]) => ({ name, size, lastModified }));
      return { uploadId: kept.uploadId, state: kept.state, files };
    } catch {
      return null;
    }
  }

  /**
   * @param {string} uploadId
   * @param {Named[]} files
   */
  opened(uploadId, files) {
    const rows = files.map(({ name, file }) => [name, file.size, file.lastModified]);
    return this.#write({ uploadId, state: "open", files: rows });
  }

  /**
   * From here on only the upload's id matters, to go on watching after a reload.
   * @param {string} uploadId
   */
  accepted(uploadId) {
    return this.#write({ uploadId, state: "accepted", files: [] });
  }

  /**
   * Its end was seen: a reload of this tab may show it again, but the next link begins afresh.
   * @param {string} uploadId
   */
  finished(uploadId) {
    this.accepted(uploadId);
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

/**
 * Match chosen files with a remembered upload of which `missing` (names) have not arrived: by name and size, since
 * other bytes would not be taken. `files` go on, `absent` and `changed` cannot, `edited` were saved
 * anew after they had been sent, `others` do not belong to the upload.
 * @param {KeptFile[]} remembered
 * @param {Set<string>} missing
 * @param {Named[]} chosen
 */
export function match(remembered, missing, chosen) {
  const byName = new Map(chosen.map((one) => [one.name, one.file]));
  /** @type {Matched} */
  const matched = { files: [], absent: [], changed: [], edited: [], others: 0 };
  for (const { name, size, lastModified } of remembered) {
    const file = byName.get(name);
    if (!missing.has(name)) {
      matched.files.push({ name, size, file: null });
      if (file && (file.size !== size || file.lastModified > lastModified)) matched.edited.push(name);
    } else if (!file) matched.absent.push({ name, size });
    else if (file.size !== size) matched.changed.push({ name, size });
    else matched.files.push({ name, size, file });
  }
  const known = new Set(remembered.map((one) => one.name));
  matched.others = chosen.filter((one) => !known.has(one.name)).length;
  return matched;
}
