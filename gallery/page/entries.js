/* All entries of an upload that answer a question, however many pages they take. */

/**
 * @import { EntriesAnswer, EntryAnswer } from "../api/schemas.ts"
 * @import { GalleryApi } from "./api.js"
 */

const PAGE = "500";

/** @type {(api: Pick<GalleryApi, "entries">, uploadId: string, query: Record<string, string>) => Promise<EntryAnswer[]>} */
export async function allEntries(api, uploadId, query) {
  /** @type {EntryAnswer[]} */
  const all = [];
  /** @type {string | null} */
  let cursor = null;
  do {
    /** @type {EntriesAnswer} */
    const page = await api.entries(uploadId, { ...query, limit: PAGE, ...(cursor && { cursor }) });
    all.push(...page.entries);
    cursor = page.next_cursor;
  } while (cursor);
  return all;
}
