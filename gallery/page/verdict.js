/* The words at the end of an upload. Files that were not sent, because they were there already, count as in the gallery. */

/**
 * @import { StatusAnswer } from "../api/schemas.ts"
 * @import { NotSent } from "./journal.js"
 * @typedef {[heading: string, text: string]} Verdict
 */

import { count, number } from "./words.js";

/** @type {(status: Pick<StatusAnswer, "state" | "counts" | "image_count" | "to_decide" | "problems">, notSent: NotSent) => Verdict} */
export function verdict({ state, counts, image_count: sent, to_decide: toDecide = 0, problems }, { there, leftOut }) {
  const total = sent + there;
  const good = counts.saved + counts.replaced + counts.unchanged + counts.superseded + there;
  const all = `${leftOut.length ? "" : "All "}${count(total, "photograph")} are in the gallery`;
  const some = `${number(good)} of ${count(total, "photograph")} ${good === 1 || total === 1 ? "is" : "are"} in the gallery`;
  switch (state) {
    case "completed":
      if (leftOut.length) return [total === 1 ? "1 photograph is in the gallery" : all, leftOutInWords(leftOut.length)];
      return [total === 1 ? "The photograph is in the gallery" : all, "That was all. You may close this tab."];
    case "completed_with_rejects":
      return [some, othersInWords(counts.rejected, toDecide, problems.filter((one) => one.reason === "left_out").length)];
    case "failed":
      return [some, "The others were received, but could not be finished. Whoever runs the gallery can have them tried again; your photographs are kept meanwhile."];
    case "cancelled":
      return ["This upload was stopped", `Whoever runs the gallery stopped it. ${some}. Ask them, or send the photographs again.`];
    case "expired":
      return ["This upload has expired", "It was never finished: not all of its photographs arrived in time. Send the folder again."];
    default:
      return ["Something went wrong here", `${some}. Your photographs were received and are kept. Tell whoever runs the gallery: they can have it tried again.`];
  }
}

/** @param {number} files */
function leftOutInWords(files) {
  return `${count(files, "file")} ${files === 1 ? "was" : "were"} left out; the reason is given below. You may close this tab.`;
}

/** @type {(rejected: number, toDecide: number, leftOut: number) => string} */
function othersInWords(rejected, toDecide, leftOut) {
  if (toDecide === rejected) return "The others were not added, because they would have replaced photographs. Choose below what to do with them.";
  if (leftOut === rejected) return "The others were skipped, as you chose. You may close this tab.";
  if (toDecide) return "Some of the others need your choice, and some cannot be used as they are. See below.";
  return "The others cannot be used as they are; what to do about each stands below. You may close this tab.";
}

/**
 * Where no upload was opened at all.
 * @param {NotSent} notSent
 * @returns {Verdict}
 */
export function nothingSent({ there, skipped, leftOut }) {
  const text = leftOut.length ? `Nothing had to be sent. ${leftOutInWords(leftOut.length)}` : "Nothing had to be sent. You may close this tab.";
  if (there && leftOut.length) return [`${count(there, "photograph")} ${there === 1 ? "is" : "are"} in the gallery already`, text];
  if (!there) return ["Nothing was sent", `${count(skipped, "photograph")} ${skipped === 1 ? "was" : "were"} skipped, as you chose. You may close this tab.`];
  return [there === 1 ? "The photograph is in the gallery already" : `All ${count(there, "photograph")} are in the gallery already`, text];
}
