/* The sentences of the choose screen. */

/** @import { Skipped } from "./choose.js" */

import { ApiError } from "../api.js";
import { whyNot } from "../refusals.js";
import { bytes, count, number } from "../words.js";

const NAMED = 3;

/**
 * `waiting`: how many more cannot be sent before another upload has ended; `isHeld`: none can, which is told beside this,
 * with the number of those that are the reason.
 * @type {(files: { size: number }[], others: { there: number, skipped: number, waiting: number, isHeld?: boolean }) => string}
 */
export function summaryOf(files, { there, skipped, waiting, isHeld = false }) {
  if (isHeld && waiting) return `${count(files.length + waiting, "photograph")}${there || skipped ? " to send" : ""}`;
  if (waiting) {
    const wait = waiting === 1 ? "waits" : "wait";
    if (!files.length) return `${count(waiting, "photograph")} ${wait} for another upload`;
    return `${count(files.length + waiting, "photograph")}${there || skipped ? " to send" : ""}, ${number(waiting)} of them ${wait}`;
  }
  if (files.length) return `${count(files.length, "photograph")}${there || skipped ? " to send" : ""}, ${bytes(files.reduce((sum, one) => sum + one.size, 0))}`;
  if (there && !skipped) return there === 1 ? "The photograph is in the gallery already" : `All ${count(there, "photograph")} are in the gallery already`;
  return there || skipped ? "Nothing to send" : "Nothing that can be sent";
}

/** @param {string[]} names of photographs */
export function underWayInWords(names) {
  return `Another upload of this gallery is being worked on. ${number(names.length)} of your photographs may be among it: ${namesInWords(names)}. This page checks again automatically.`;
}

/** @param {string[]} names */
function namesInWords(names) {
  const more = names.length - NAMED;
  if (more > 1) return `${names.slice(0, NAMED).join(", ")} and ${number(more)} more`;
  return names.length > 1 ? `${names.slice(0, -1).join(", ")} and ${names.at(-1)}` : names.join();
}

/**
 * `inUpload`: of how many an upload under way has the name.
 * @type {(photographs: number, inUpload: number) => string}
 */
export function conflictsInWords(photographs, inUpload) {
  const [has, name, is] = photographs === 1 ? ["has", "a name", "is"] : ["have", "names", "are"];
  const words = `${count(photographs, "photograph")} ${has} ${name} that`;
  if (inUpload === photographs) return `${words} another upload is using`;
  return `${words} ${is} already in use${inUpload ? `, ${number(inUpload)} of them by another upload` : ""}`;
}

/** @param {number} photographs */
export function notKnownInWords(photographs) {
  if (!photographs) return "";
  const [were, them] = photographs === 1 ? ["was", "it"] : ["were", "them"];
  return `${count(photographs, "photograph")} ${were} in the gallery already. Whether the gallery keeps ${them} is not known yet: another upload is being worked on.`;
}

/** @param {number} photographs */
export function goneInWords(photographs) {
  if (!photographs) return "";
  const [were, are, them] = photographs === 1 ? ["was", "is", "it"] : ["were", "are", "them"];
  return `${count(photographs, "photograph")} that ${were} in the gallery already ${are} no longer there: someone has deleted or replaced ${them} since. Check what is sent now, then continue.`;
}

/** @param {Skipped} skipped */
export function wordsFor({ hidden, unreadable }) {
  const words = [];
  if (hidden) words.push(`${count(hidden, "hidden or system file")} left out.`);
  if (unreadable) words.push(`${count(unreadable, "file or folder", "files or folders")} could not be read.`);
  return words.join(" ");
}

/** @param {unknown} caught */
export function whyNotOpened(caught) {
  const expired = "Ask for a new one, open it in this tab and press Send again: your choice is kept.";
  return whyNot(ApiError.of(caught), { expired, refused: "The server does not accept these files" });
}

/** @param {ApiError} error */
export function whyNotCompared(error) {
  const expired = "Ask for a new one and open it in this tab: your choice is kept.";
  return whyNot(error, { expired, refused: "The photographs could not be compared with the gallery" });
}
