/* The words at the end of an upload. Files that were not sent, because they were there already, count as in the gallery as
long as they are. */

/**
 * @import { StatusAnswer } from "../api/schemas.ts"
 * @import { NotSent } from "./journal.js"
 * @typedef {[heading: string, text: string]} Verdict
 * @typedef {{ skipped?: number, gone?: number, unsure?: number, takenBack?: number }} More `skipped`: how many of those that were sent were skipped by choice;
 * `gone`: how many that were in the gallery already are so no longer; `unsure`: of how many of them that is not known yet;
 * `takenBack`: how many of those that were sent are not shown any more
 */

import { count, number } from "./words.js";

const CLOSE = "You may close this tab.";

/** @type {(status: Pick<StatusAnswer, "state" | "counts" | "image_count" | "to_decide">, notSent: NotSent, more?: More) => Verdict} */
export function verdict({ state, counts, image_count: sent, to_decide: toDecide = 0 }, { there, leftOut }, { skipped = 0, gone = 0, unsure = 0, takenBack = 0 } = {}) {
  const total = sent + there.length;
  const good = counts.saved + counts.replaced + counts.unchanged + there.length - gone - unsure - takenBack;
  const all = `${leftOut.length ? "" : "All "}${count(total, "photograph")} are in the gallery`;
  const some = `${number(good)} of ${count(total, "photograph")} ${good === 1 || total === 1 ? "is" : "are"} in the gallery`;
  const lost = lostInWords({ superseded: counts.superseded, gone, unsure, takenBack });
  const others = counts.rejected + counts.failed === 1 ? (total === 1 ? "It" : "The other one") : "The others";
  switch (state) {
    case "completed":
      if (lost.length) return [some, [...lost, leftOut.length ? leftOutInWords(leftOut.length) : CLOSE].join(" ")];
      if (leftOut.length) return [total === 1 ? "1 photograph is in the gallery" : all, leftOutInWords(leftOut.length)];
      return [total === 1 ? "The photograph is in the gallery" : all, `That was all. ${CLOSE}`];
    case "completed_with_rejects":
      return [some, [...lost, othersInWords(others, counts.rejected, toDecide, skipped)].join(" ")];
    case "failed":
      return [some, [...lost, notFinishedInWords(others)].join(" ")];
    case "cancelled":
      return ["This upload was stopped", `Whoever runs the gallery stopped it. ${some}. Ask them, or send the photographs again.`];
    case "expired":
      return ["This upload has expired", "It was never finished: not all of its photographs arrived in time. Send the folder again."];
    default:
      return ["Something went wrong here", `${some}. Your photographs were received and are kept. Tell whoever runs the gallery: they can have it tried again.`];
  }
}

/** @type {(lost: { superseded: number, gone: number, unsure: number, takenBack: number }) => string[]} */
function lostInWords({ superseded, gone, unsure, takenBack }) {
  const words = [];
  if (superseded) words.push(`${count(superseded, "photograph")} ${superseded === 1 ? "was" : "were"} not added: a later upload or a deletion got there first.`);
  if (gone) words.push(`${count(gone, "photograph")} that ${gone === 1 ? "was" : "were"} in the gallery already ${gone === 1 ? "is" : "are"} no longer there: send ${gone === 1 ? "it" : "them"} again.`);
  if (unsure) words.push(`${count(unsure, "photograph")} ${unsure === 1 ? "was" : "were"} in the gallery already. Whether the gallery keeps ${unsure === 1 ? "it" : "them"} is not known yet: another upload is being worked on. This page checks again automatically.`);
  if (takenBack) words.push(`${count(takenBack, "photograph")} of yours ${takenBack === 1 ? "is" : "are"} no longer shown: an earlier version was brought back, or someone has replaced or deleted ${takenBack === 1 ? "it" : "them"} since.`);
  return words;
}

/** @param {string} others */
function notFinishedInWords(others) {
  const [were, them, photographs] = others === "The others" ? ["were", "them", "photographs are"] : ["was", "it", "photograph is"];
  return `${others} ${were} received, but could not be finished. Whoever runs the gallery can have ${them} tried again; your ${photographs} kept meanwhile.`;
}

/** @param {number} files */
function leftOutInWords(files) {
  return `${count(files, "file")} ${files === 1 ? "was" : "were"} left out; the reason is given below. ${CLOSE}`;
}

/**
 * `others`: as the sentence begins, for one or for several.
 * @type {(others: string, rejected: number, toDecide: number, skipped: number) => string}
 */
function othersInWords(others, rejected, toDecide, skipped) {
  const isOne = rejected === 1;
  if (toDecide === rejected) {
    if (isOne) return `${others} was not added, because it would have replaced a photograph. Choose below what to do with it.`;
    return "The others were not added, because they would have replaced photographs. Choose below what to do with them.";
  }
  if (skipped === rejected) return `${others} ${isOne ? "was" : "were"} skipped, as you chose. ${CLOSE}`;
  if (!toDecide && !skipped) return `${others} cannot be used as ${isOne ? "it is" : "they are"}; what to do about ${isOne ? "it" : "each"} stands below. ${CLOSE}`;
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
