/* Finds the files in what was dropped or chosen: `{path, file}`, the path beginning with the dropped folder's name.

Hidden files and litter are left out here; everything else goes on, so that a photographer hears of every file. */

import { isHidden } from "./names.js";

/** What a folder or file input holds. */
export function chosen(input) {
  const found = nothing();
  for (const file of input.files) add(found, file.webkitRelativePath || file.name, file);
  return found;
}

/** What was dropped, folders searched to their bottom. Call it within the drop event: its items are gone afterwards. */
export function dropped(transfer) {
  const items = [...transfer.items].filter((item) => item.kind === "file");
  const entries = items.map((item) => item.webkitGetAsEntry?.() ?? item.getAsFile()).filter(Boolean);
  return search(entries);
}

async function search(entries) {
  const found = nothing();
  for (const entry of entries) {
    if (entry instanceof File) add(found, entry.name, entry);
    else await searchEntry(found, entry);
  }
  return found;
}

async function searchEntry(found, entry) {
  try {
    if (isHidden(entry.name)) found.hidden += 1;
    else if (entry.isDirectory) for (const child of await childrenOf(entry)) await searchEntry(found, child);
    else add(found, entry.fullPath.replace(/^\//, ""), await new Promise((resolve, reject) => entry.file(resolve, reject)));
  } catch {
    // Not allowed, or gone meanwhile; the rest is none the worse for it.
    found.unreadable += 1;
  }
}

function nothing() {
  return { files: [], hidden: 0, unreadable: 0 };
}

async function childrenOf(folder) {
  const reader = folder.createReader();
  const children = [];
  for (;;) {
    // Chromium gives a hundred at a time, and an empty answer at the end.
    const batch = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!batch.length) return children;
    children.push(...batch);
  }
}

function add(found, path, file) {
  if (path.split("/").some(isHidden)) found.hidden += 1;
  else found.files.push({ path, file });
}

/** Names relative to the folder that was dropped, in NFC: `{name, file}`. Files of several folders keep the folders' names. */
export function named(files) {
  const tops = new Set(files.map(({ path }) => (path.includes("/") ? path.slice(0, path.indexOf("/")) : "")));
  const strip = tops.size === 1 && !tops.has("");
  return files.map(({ path, file }) => ({ name: (strip ? path.slice(path.indexOf("/") + 1) : path).normalize("NFC"), file }));
}
