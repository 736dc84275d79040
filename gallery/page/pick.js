/* Finds the files in what was dropped or chosen, each with its path, which begins with the dropped folder's name.

Hidden files and litter are left out here; everything else goes on, so that a photographer hears of every file. */

/**
 * @typedef {{ path: string, file: File }} Picked
 * @typedef {{ files: Picked[], hidden: number, unreadable: number }} Found
 * @typedef {{ name: string, file: File }} Named
 */

import { pause } from "./backoff.js";
import { isHidden } from "./names.js";

const MEASURED_AT_ONCE = 100;

/**
 * What a folder or file input holds.
 * @param {{ files: Iterable<File> | null }} input
 */
export function chosen(input) {
  const found = nothing();
  for (const file of input.files ?? []) add(found, file.webkitRelativePath || file.name, file);
  return found;
}

/**
 * What was dropped, folders searched to their bottom. Call it within the drop event: its items are gone afterwards.
 * @param {DataTransfer} transfer
 */
export function dropped(transfer) {
  const items = [...transfer.items].filter((item) => item.kind === "file");
  const entries = items.map((item) => item.webkitGetAsEntry?.() ?? item.getAsFile()).filter((entry) => entry !== null);
  return search(entries);
}

/** @param {(File | FileSystemEntry)[]} entries */
async function search(entries) {
  const found = nothing();
  for (const entry of entries) {
    if (entry instanceof File) add(found, entry.name, entry);
    else await searchEntry(found, entry);
  }
  return found;
}

/** @type {(found: Found, entry: FileSystemEntry) => Promise<void>} */
async function searchEntry(found, entry) {
  try {
    if (isHidden(entry.name)) found.hidden += 1;
    else if (entry.isDirectory) for (const child of await childrenOf(entry)) await searchEntry(found, child);
    else add(found, entry.fullPath.replace(/^\//, ""), await fileOf(entry));
  } catch {
    // Not allowed, or gone meanwhile; the rest is none the worse for it.
    found.unreadable += 1;
  }
}

/** @returns {Found} */
function nothing() {
  return { files: [], hidden: 0, unreadable: 0 };
}

/** @type {(entry: FileSystemEntry) => Promise<File>} */
function fileOf(entry) {
  return new Promise((resolve, reject) => /** @type {FileSystemFileEntry} */ (entry).file(resolve, reject));
}

/** @param {FileSystemEntry} folder */
async function childrenOf(folder) {
  const reader = /** @type {FileSystemDirectoryEntry} */ (folder).createReader();
  /** @type {FileSystemEntry[]} */
  const children = [];
  for (;;) {
    // Chromium gives a hundred at a time, and an empty answer at the end.
    /** @type {FileSystemEntry[]} */
    const batch = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!batch.length) return children;
    children.push(...batch);
  }
}

/** @type {(found: Found, path: string, file: File) => void} */
function add(found, path, file) {
  if (path.split("/").some(isHidden)) found.hidden += 1;
  else found.files.push({ path, file });
}

/**
 * Ask for each file's size once. A browser looks it up on disk then, and the page must not stand still for 10,000.
 * @param {Picked[]} files
 */
export async function measure(files) {
  for (let at = 0; at < files.length; at += MEASURED_AT_ONCE) {
    for (const { file } of files.slice(at, at + MEASURED_AT_ONCE)) file.size;
    await pause(0);
  }
}

/**
 * Names in NFC: the whole path that was dropped or chosen. So the same photograph has the same name next time, and two
 * cards whose cameras count alike do not meet.
 * @param {Picked[]} files
 * @returns {Named[]}
 */
export function named(files) {
  return files.map(({ path, file }) => ({ name: path.normalize("NFC"), file }));
}
