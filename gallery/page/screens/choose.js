/* Choosing photographs: what can be sent, what would be refused and why, before anything is sent. */

/**
 * @import { LimitsAnswer } from "../../api/schemas.ts"
 * @import { GalleryApi } from "../api.js"
 * @import { Sendable } from "../check.js"
 * @import { Item } from "../groups.js"
 * @import { Journal } from "../journal.js"
 * @import { Found, Picked } from "../pick.js"
 * @import { Upload } from "./send.js"
 * @typedef {{ good: Sendable[], refused: Item[] }} Sorted
 * @typedef {Omit<Found, "files">} Skipped
 */

import { ApiError } from "../api.js";
import { sortOut, tooMany } from "../check.js";
import { announce, byId, find, notice, show } from "../dom.js";
import { showGroups } from "../groups.js";
import { named } from "../pick.js";
import { bytes, count, number } from "../words.js";
import { listen } from "./folder_field.js";

/**
 * Resolves to the upload that was opened.
 * @param {{ api: GalleryApi, journal: Journal, limits: LimitsAnswer }} given
 * @returns {Promise<Upload>}
 */
export function choose({ api, journal, limits }) {
  /** @type {Picked[]} */
  let picked = [];
  let skipped = { hidden: 0, unreadable: 0 };
  /** @type {Sorted} */
  let sorted = { good: [], refused: [] };
  const draw = () => {
    sorted = sortOut(named(picked), limits);
    drawReview(sorted, skipped, limits);
  };
  const stopListening = listen(byId("choose-field"), (found) => {
    picked = [...picked, ...found.files];
    skipped = { hidden: skipped.hidden + found.hidden, unreadable: skipped.unreadable + found.unreadable };
    draw();
    byId("review").scrollIntoView({ block: "nearest" });
  });
  addEventListener("link-renewed", () => notice(byId("send-problem"), ""), { signal: stopListening.signal });
  draw();
  show("choose");
  return new Promise((resolve) => {
    byId("clear").onclick = () => {
      picked = [];
      skipped = { hidden: 0, unreadable: 0 };
      draw();
      find(byId("choose-field"), "button:not([hidden])", HTMLButtonElement).focus();
    };
    byId("send").onclick = async () => {
      byId("send", HTMLButtonElement).disabled = true;
      try {
        resolve(await open(api, journal, sorted.good));
        stopListening.abort();
      } catch (error) {
        notice(byId("send-problem"), whyNotOpened(error), "error");
        byId("send", HTMLButtonElement).disabled = false;
      }
    };
  });
}

/** @type {(sorted: Sorted, skipped: Skipped, limits: LimitsAnswer) => void} */
function drawReview({ good, refused }, skipped, limits) {
  const total = good.reduce((sum, one) => sum + one.size, 0);
  const summary = good.length ? `${count(good.length, "photograph")}, ${bytes(total)}` : "Nothing that can be sent";
  const crowd = tooMany(good.length, limits);
  byId("review").hidden = !(good.length || refused.length || skipped.hidden || skipped.unreadable);
  byId("choose-field").classList.toggle("small", !byId("review").hidden);
  byId("review-summary").textContent = summary;
  byId("send").textContent = good.length ? `Send ${count(good.length, "photograph")}` : "Send";
  byId("send", HTMLButtonElement).disabled = !good.length || Boolean(crowd);
  notice(byId("send-problem"), crowd ?? "", "error");
  byId("refused-heading").hidden = !refused.length;
  byId("refused-count").textContent = `${count(refused.length, "file")} will not be sent`;
  showGroups(byId("refused"), refused);
  byId("skipped").textContent = wordsFor(skipped);
  announce(`${summary}. ${refused.length ? `${number(refused.length)} will not be sent.` : ""}`);
}

/** @param {Skipped} skipped */
function wordsFor({ hidden, unreadable }) {
  const words = [];
  if (hidden) words.push(`${count(hidden, "hidden or system file")} left out.`);
  if (unreadable) words.push(`${count(unreadable, "file or folder", "files or folders")} could not be read.`);
  return words.join(" ");
}

/** @type {(api: GalleryApi, journal: Journal, good: Sendable[]) => Promise<Upload>} */
async function open(api, journal, good) {
  const declared = good.map(({ name, size, type }) => ({ file_name: name, size, content_type: type }));
  const signed = await api.presign(declared, freshKey());
  journal.opened(signed.upload_id, good);
  return { uploadId: signed.upload_id, files: good, signed };
}

function freshKey() {
  // Not randomUUID: browsers have it on encrypted pages only.
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** @param {unknown} caught */
function whyNotOpened(caught) {
  const error = ApiError.of(caught);
  if (error.isLockedOut) return "This upload link has expired. Ask for a new one, open it in this tab and press Send again: your choice is kept.";
  if (error.status === 0) return "The server does not answer. Check your connection and try again.";
  return `The server does not take these files: ${error.message}.`;
}
