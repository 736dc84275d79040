/* What an upload waits for, in the words of a photographer: what is technical about it is for ops to know. */

/** @import { StatusAnswer } from "../api/schemas.ts" */

import { count } from "./words.js";

const PAUSED = "Processing is paused for now. Your photographs are safe, and processing starts as soon as it resumes.";
const TURN = "Waiting for its turn";

/**
 * "" once it is being worked on and the first photographs are done.
 * @param {Pick<StatusAnswer, "state" | "waiting" | "counts" | "image_count">} status
 */
export function waitingInWords({ state, waiting, counts, image_count: total }) {
  if (state !== "accepted" && !waiting) return counts.pending === total ? "Just begun" : "";
  switch (waiting?.for) {
    case "restart":
    case "prefect":
    case "paused":
    case "worker":
      return PAUSED;
    case "place":
      return waiting.uploads_before ? aheadOf(waiting.uploads_before) : TURN;
    case "start":
      return "About to begin";
    default:
      return TURN;
  }
}

/** @param {number} uploads */
function aheadOf(uploads) {
  return `Waiting: ${count(uploads, "upload")} ${uploads === 1 ? "is" : "are"} ahead of yours`;
}
