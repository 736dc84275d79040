/* The words at the end of an upload. Files that were not sent, because they were there already, count as in the gallery as
long as they are. */

/**
 * @import { StatusAnswer } from "../api/schemas.ts"
 * @import { NotSent } from "./journal.js"
 * @typedef {[heading: string, text: string]} Verdict
 * @typedef {{ skipped?: number, gone?: number }} More `skipped`: how many of those that were sent were skipped by choice;
 * `gone`: how many that were in the gallery already are so no longer
 */

import { count, number } from "./words.js";

const CLOSE = "You may close this tab.";

/** @type {(status: Pick<StatusAnswer, "state" | "counts" | "image_count" | "to_decide">, notSent: NotSent, more?: More) => Verdict} */
export function verdict({ state, counts, image_count: sent, to_decide: toDecide = 0 }, { there, leftOut }, { skipped = 0, gone = 0 } = {}) {
  const total = sent + there.length;
  const good = counts.saved + counts.replaced + counts.unchanged + there.length - gone;
  const all = `${leftOut.length ? "" : "All "}${count(total, "photograph")} are in the gallery`;
  const some = `${number(good)} of ${count(total, "photograph")} ${good === 1 || total === 1 ? "is" : "are"} in the gallery`;
  const lost = lostInWords(counts.superseded, gone);
  switch (state) {
    case "completed":
      if (lost.length) return [some, [...lost, leftOut.length ? leftOutInWords(leftOut.length) : CLOSE].join(" ")];
      if (leftOut.length) return [total === 1 ? "1 photograph is in the gallery" : all, leftOutInWords(leftOut.length)];
      return [total === 1 ? "The photograph is in the gallery" : all, `That was all. ${CLOSE}`];
    case "completed_with_rejects":
      return [some, [...lost, othersInWords(counts.rejected, toDecide, skipped)].join(" ")];
    case "failed":
      return [some, [...lost, "The others were received, but could not be finished. Whoever runs the gallery can have them tried again; your photographs are kept meanwhile."].join(" ")];
    case "cancelled":
      return ["This upload was stopped", `Whoever runs the gallery stopped it. ${some}. Ask them, or send the photographs again.`];
    case "expired":
      return ["This upload has expired", "It was never finished: not all of its photographs arrived in time. Send the folder again."];
    default:
      return ["Something went wrong here", `${some}. Your photographs were received and are kept. Tell whoever runs the gallery: they can have it tried again.`];
  }
}

/** @type {(superseded: number, gone: number) => string[]} */
function lostInWords(superseded, gone) {
  const words = [];
  if (superseded) words.push(`${count(superseded, "photograph")} ${superseded === 1 ? "was" : "were"} not added: a later upload or a deletion got there first.`);
  if (gone) words.push(`${count(gone, "photograph")} that ${gone === 1 ? "was" : "were"} in the gallery already ${gone === 1 ? "is" : "are"} no longer there: send ${gone === 1 ? "it" : "them"} again.`);
  return words;
}

/** @param {number} files */
function leftOutInWords(files) {
  return `${count(files, "file")} ${files === 1 ? "was" : "were"} left out; the reason is given below. ${CLOSE}`;
}

/** @type {(rejected: number, toDecide: number, skipped: number) => string} */
function othersInWords(rejected, toDecide, skipped) {
  if (toDecide === rejected) return "The others were not added, because they would have replaced photographs. Choose below what to do with them.";
  if (skipped === rejected) return `The others were skipped, as you chose. ${CLOSE}`;
  if (!toDecide && !skipped) return `The others cannot be used as they are; what to do about each stands below. ${CLOSE}`;
  const kinds = [toDecide && "need your choice", skipped && "were skipped, as you chose", rejected > toDecide + skipped && "cannot be used as they are"].filter(Boolean);
  return `Some of the others ${kinds.slice(0, -1).join(", some ")}, and some ${kinds.at(-1)}. See below.`;
}

/**
 * Where no upload was opened at all.
 * @param {NotSent} notSent
 * @returns {Verdict}
 */
export function nothingSent({ there, skipped, leftOut }) {
  const found = there.length;
  const text = leftOut.length ? `Nothing had to be sent. ${leftOutInWords(leftOut.length)}` : `Nothing had to be sent. ${CLOSE}`;
  if (found && leftOut.length) return [`${count(found, "photograph")} ${found === 1 ? "is" : "are"} in the gallery already`, text];
  if (!found) return ["Nothing was sent", `${count(skipped, "photograph")} ${skipped === 1 ? "was" : "were"} skipped, as you chose. ${CLOSE}`];
  return [found === 1 ? "The photograph is in the gallery already" : `All ${count(found, "photograph")} are in the gallery already`, text];
}
