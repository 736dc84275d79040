/* What a person should know of photographs that are in the gallery. The names are those of gallery/notes.py. */

/**
 * @import { StatusAnswer } from "../api/schemas.ts"
 * @import { GalleryApi } from "./api.js"
 * @import { Item, Reason } from "./groups.js"
 * @typedef {{ heading: string, items: Item[] }} Noted
 */

import { allEntries } from "./entries.js";
import { count } from "./words.js";

/** @type {Record<string, Reason>} */
const NOTES = {
  damaged: { title: "Damaged", advice: "Parts of these files cannot be read, and the picture shows grey or wrong areas there. If the card still has a good one, copy it again and send it." },
  profile_unusable: { title: "Colours may be off", advice: "The colour profile in the file is broken or incomplete. Look at the photograph in the gallery; if its colours are wrong, export it anew." },
  colours_approximate: { title: "Printing colours", advice: "The file has the colours of a printing press, without a profile that says which. For exact colours, export it as RGB." },
  hdr_tone_mapped: { title: "HDR", advice: "The gallery shows these in the range of ordinary screens. The original is kept as it is." },
  one_of_several: { title: "Several pictures in one file", advice: "The gallery shows one of them. The original is kept as it is." },
};

/**
 * What there is to be known of an upload's photographs, the damaged ones first.
 * @param {Pick<GalleryApi, "entries">} api
 * @param {string} uploadId
 * @param {StatusAnswer["notes"]} counts
 * @returns {Promise<Noted>}
 */
export async function readNotes(api, uploadId, counts = {}) {
  /** @type {Item[]} */
  const items = [];
  for (const [note, reason] of Object.entries(NOTES)) {
    if (!counts[note]) continue;
    const entries = await allEntries(api, uploadId, { note });
    items.push(...entries.map((one) => ({ name: one.file_name, ...reason })));
  }
  return { heading: headingOf(counts.damaged ?? 0), items };
}

/** @param {number} damaged */
function headingOf(damaged) {
  if (!damaged) return "Good to know";
  const [look, them] = damaged === 1 ? ["looks", "it"] : ["look", "them"];
  return `${count(damaged, "photograph")} ${look} damaged; check ${them} before you format the card`;
}
