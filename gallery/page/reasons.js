/* What became of a file, in the words of somebody who takes photographs. The codes are those of gallery/errors.py. */

/**
 * @import { Outcome } from "../api/schemas.ts"
 * @import { Problem } from "./problems.js"
 * @typedef {[title: string, advice: string]} Words
 */

/** @type {Record<string, Words>} */
const REJECTED = {
  not_an_image: ["Not a photograph", "The file's content is not that of an image, whatever its name says. Look at it on your computer and export it again."],
  truncated: ["Incomplete file", "Its end is missing, most likely because copying it was interrupted. Copy it again from the card and send it again."],
  too_many_pixels: ["Too many pixels", "Export it with smaller dimensions and send it again."],
  too_many_bytes: ["File too large", "Export it smaller, for example as a JPEG of high quality, and send it again."],
  too_many_frames: ["Animation", "It has more pictures in it than a photograph has. Export the one you want as JPEG, TIFF or PNG."],
  unsupported_format: ["Unsupported kind of file", "Export it as JPEG, TIFF or PNG and send it again. RAW files have to be developed first."],
  would_replace: ["Another photograph has its name", "It was not added, because it would have replaced that one. Choose what to do with it."],
  left_out: ["Skipped, as you chose", "The gallery keeps the photograph that it has under this name."],
  decoder_failed: ["Cannot be opened", "The file is damaged or unusual. Open it in your photo software, export it anew as JPEG and send it again."],
};
/** @type {Record<string, Words>} */
const FAILED = {
  missing_object: ["Did not arrive", "The photograph is not in storage. Send it again."],
  size_mismatch: ["Arrived with another size", "The file changed while it was sent. Send it again."],
  changed_during_ingest: ["Sent again meanwhile", "Another file with this name arrived while this one was worked on. Send the one you want once more."],
  storage_unavailable: ["Storage did not answer", "Your photograph is fine and was received. It can be tried again without sending it: tell whoever runs the gallery."],
  database_unavailable: ["The gallery's records did not answer", "Your photograph is fine and was received. It can be tried again without sending it: tell whoever runs the gallery."],
  scratch_unavailable: ["A computer here has no room", "Your photograph is fine and was received. It can be tried again without sending it: tell whoever runs the gallery."],
  deletion_refused: ["Storage refused to delete a file", "Your photograph is fine and was received. It can be tried again without sending it: tell whoever runs the gallery."],
  stale_attempt: ["Interrupted", "Your photograph is fine and was received. It is tried again, or can be: tell whoever runs the gallery."],
  internal_error: ["Something went wrong here", "Your photograph is not at fault. Tell whoever runs the gallery; it can be tried again."],
};
// Where the server's own words add a number or a name to ours.
const TELLING = new Set(["too_many_pixels", "too_many_bytes", "too_many_frames", "unsupported_format"]);
const OTHER_REJECTION = ["Cannot be used", "Export it anew as JPEG and send it again."];
const OTHER_FAILURE = ["Something went wrong here", "Your photograph is not at fault. Tell whoever runs the gallery; it can be tried again."];

const SUPERSEDED = { title: "A later upload or a deletion got there first", advice: "It was not added. If you want it in the gallery, send it again.", detail: "" };

/**
 * Title, advice and detail for one of an upload's problems; `detail` may be empty.
 * @param {Problem} problem
 */
export function explain(problem) {
  if (problem.outcome === "superseded") return SUPERSEDED;
  const rejected = problem.outcome === "rejected";
  const known = (rejected ? REJECTED : FAILED)[problem.reason];
  const [title, advice] = known ?? (rejected ? OTHER_REJECTION : OTHER_FAILURE);
  return { title, advice, detail: !known || TELLING.has(problem.reason) ? problem.message : "" };
}

/** @type {[outcome: Outcome, words: string][]} The lines of counts, in the order of their weight. */
export const OUTCOMES = [
  ["saved", "new in the gallery"],
  ["replaced", "replaced an earlier version"],
  ["unchanged", "in the gallery already"],
  ["superseded", "not added: a later upload or a deletion got there first"],
  ["rejected", "cannot be used"],
  ["failed", "failed, can be tried again"],
];
