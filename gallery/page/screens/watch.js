/* Watching the gallery being made. Nothing depends on this page any more, which is the first thing it says. */

/**
 * @import { LimitsAnswer, Outcome, StatusAnswer } from "../../api/schemas.ts"
 * @import { GalleryApi } from "../api.js"
 * @import { Journal, NotSent } from "../journal.js"
 * @import { Noted } from "../notes.js"
 * @import { NotAdded } from "../problems.js"
 * @import { Accepted, NothingToSend, Upload } from "./send.js"
 */

import { ApiError } from "../api.js";
import { ContactSheet } from "../contact_sheet.js";
import { byId, el, notice, setProgress, show, tell } from "../dom.js";
import { follow } from "../follow.js";
import { showGroups } from "../groups.js";
import { readNotes } from "../notes.js";
import { Problems } from "../problems.js";
import { explain, OUTCOMES } from "../reasons.js";
import { Since } from "../since.js";
import { keepAsking } from "../under_way.js";
import { waitingInWords } from "../waiting.js";
import { nothingSent, verdict } from "../verdict.js";
import { count, number } from "../words.js";
import { askToDecide, hideDecide } from "./decide.js";
import { showLeftOut } from "./left_out.js";
import { hideReplaced, offerReplaced } from "./replaced.js";

const MEANWHILE = [
  "You may close this tab now",
  "All photographs have arrived. The gallery is made from here on without this page, and nothing is lost when you close it.",
];
const TO_DECIDE = [
  "Some photographs need your choice",
  "Others have their names, so they are not added yet. Wait here until you can choose, or open this page again later: what you sent is kept for some days.",
];
/** @type {StatusAnswer["counts"]} */
const NOTHING = { saved: 0, replaced: 0, unchanged: 0, superseded: 0, rejected: 0, failed: 0, pending: 0 };
const GONE = { title: "No longer in the gallery", advice: "It was there when you chose it, so it was not sent. Someone has deleted or replaced it since. To add it, press “Send more photographs” and choose it again." };

/**
 * Resolves when somebody wants to send more.
 * @param {{ api: GalleryApi, journal: Journal, limits: LimitsAnswer, upload: Upload | Accepted | NothingToSend }} given
 */
export async function watch({ api, journal, limits, upload }) {
  const end = new AbortController();
  const sheet = new ContactSheet(api, byId("sheet"));
  show("watching");
  prepare(upload.notSent);
  // Watched again from the beginning: which upload it is has been kept.
  addEventListener("link-renewed", () => location.reload(), { signal: end.signal });
  const more = new Promise((resolve) => (byId("again").onclick = resolve));
  if (upload.uploadId === null) {
    drawNothingSent(upload.notSent);
    sheet.refresh(true);
  } else {
    const files = new Map((upload.files ?? []).flatMap(({ name, file }) => (file ? [[name, file]] : [])));
    const { uploadId, notSent } = upload;
    followToEnd({ api, journal, limits, uploadId, notSent, files, sheet, signal: end.signal });
  }
  await more;
  end.abort();
  sheet.close();
  journal.forget();
}

/** @param {NotSent} notSent */
function prepare(notSent) {
  tellHeading(MEANWHILE);
  notice(byId("watch-trouble"), "");
  notice(byId("watch-note"), "");
  for (const id of ["counts", "problems"]) byId(id).replaceChildren();
  byId("notes-part").hidden = byId("problems-part").hidden = byId("again").hidden = true;
  hideDecide();
  hideReplaced();
  showLeftOut(byId("watch-left-out"), notSent.leftOut);
  setProgress(byId("watch-bar"), 0, "waiting to begin");
  byId("watch-percent").textContent = "0%";
  byId("watch-count").textContent = "";
  byId("watching").dataset.state = "running";
}

/** @param {NotSent} notSent */
function drawNothingSent(notSent) {
  tellHeading(nothingSent(notSent));
  setProgress(byId("watch-bar"), 1, "nothing had to be sent");
  byId("watch-percent").textContent = "100%";
  byId("watch-count").textContent = "Nothing had to be sent";
  drawCounts(NOTHING, 0, { there: notSent.there.length, skipped: notSent.skipped });
  byId("again").hidden = false;
  byId("watching").dataset.state = "completed";
}

/**
 * @typedef {object} Watched
 * @property {GalleryApi} api
 * @property {Journal} journal
 * @property {LimitsAnswer} limits
 * @property {string} uploadId
 * @property {NotSent} notSent
 * @property {Map<string, File>} files those that this tab still has, by name
 * @property {ContactSheet} sheet
 * @property {AbortSignal} signal
 */

/**
 * Follow an upload to its end, and again where a person has decided about what was not taken.
 * @param {Watched} watched
 */
function followToEnd(watched) {
  const { api, journal, limits, uploadId, notSent, files, sheet, signal } = watched;
  // Another run may follow where this one was not followed to its last word: after a failure it may be tried again.
  const end = new AbortController();
  signal.addEventListener("abort", () => end.abort());
  const problems = new Problems(api, uploadId);
  let asking = new AbortController();
  end.signal.addEventListener("abort", () => asking.abort());
  follow(api, uploadId, end.signal, {
    onStatus: async (status, isFinal) => {
      asking.abort();
      asking = new AbortController();
      const { signal: askingSignal } = asking;
      const { counts } = status;
      const found = await problems.of(status, isFinal);
      const since = new Since({ api, sheet, uploadId, counts, there: notSent.there });
      if (isFinal) await since.look();
      const noted = await readNotes(api, uploadId, isFinal ? status.notes : {});
      if (end.signal.aborted) return;
      const draw = () => {
        notice(byId("watch-trouble"), "");
        drawStatus(status, notSent, found, since, isFinal);
        drawNotes(noted);
      };
      draw();
      sheet.onListed = () => {
        if (isFinal && since.lookAtSheet() && !askingSignal.aborted) draw();
      };
      if (!isFinal || !counts.replaced) sheet.refresh(isFinal);
      hideDecide();
      hideReplaced();
      if (!isFinal) return;
      /** @param {string} note */
      const onDecided = (note) => {
        end.abort();
        notice(byId("watch-note"), note, "warning");
        byId("watch-heading").focus();
        followToEnd(watched);
      };
      // What waits for a decision is shown again by the next link as well.
      if (status.to_decide) askToDecide({ api, uploadId, files, signal: end.signal, onDecided }).catch(drawTrouble);
      else journal.finished(uploadId, notSent);
      keepLooking(since, draw, askingSignal);
      /** @param {string} imageId */
      const onNews = (imageId) => void (since.shows(imageId) && sheet.refresh(true));
      if (counts.replaced && limits.keep_replaced_days) offerReplaced({ api, uploadId, replaced: counts.replaced, signal: end.signal, onNews });
    },
    onTrouble: drawTrouble,
  });
}

/**
 * Look again at what is not known before another upload has ended.
 * @type {(since: Since, draw: () => void, signal: AbortSignal) => Promise<void>}
 */
function keepLooking(since, draw, signal) {
  return keepAsking({
    pending: () => since.unsure,
    ask: async (files) => {
      const isChanged = await since.lookAtThere(files);
      if (!signal.aborted) draw();
      return isChanged;
    },
    onTrouble: (error) => {
      drawTrouble(error);
      byId("again").hidden = false;
    },
    signal,
  });
}

/** @type {(status: StatusAnswer, notSent: NotSent, found: NotAdded, since: Since, isFinal: boolean) => void} */
function drawStatus(status, notSent, found, since, isFinal) {
  const { counts, image_count: total, to_decide: toDecide = 0 } = status;
  const { skipped } = found;
  const [gone, unsure, { saved, replaced }] = [since.gone.length, since.unsure.length, since.takenBack];
  const takenBack = saved + replaced;
  const done = total - counts.pending - toDecide;
  const words = [isFinal || done ? `${number(done)} of ${count(total, "photograph")} done` : "", isFinal ? "" : waitingInWords(status)].filter(Boolean).join(" · ");
  setProgress(byId("watch-bar"), total ? done / total : 1, words);
  byId("watch-percent").textContent = `${Math.floor((100 * done) / (total || 1))}%`;
  byId("watch-count").textContent = words;
  const shown = { ...counts, saved: counts.saved - saved, replaced: counts.replaced - replaced };
  drawCounts(shown, toDecide, { there: notSent.there.length - gone - unsure, skipped: notSent.skipped, skippedNow: skipped, takenBack });
  drawProblems(found, since);
  byId("again").hidden = !isFinal;
  byId("watching").dataset.state = standing(status, isFinal, gone + unsure + takenBack);
  tellHeading(isFinal ? verdict(status, notSent, { skipped, gone, unsure, takenBack }) : toDecide ? TO_DECIDE : MEANWHILE);
}

/** @param {string[]} words */
function tellHeading(words) {
  tell([byId("watch-heading"), byId("watch-text")], words);
}

/**
 * What the screen looks like; `lost`: how many are not in the gallery although the upload says so.
 * @type {(status: StatusAnswer, isFinal: boolean, lost: number) => string}
 */
function standing({ state, counts, to_decide: toDecide, notes = {} }, isFinal, lost) {
  if (toDecide && (!isFinal || state === "completed_with_rejects")) return "to_decide";
  if (!isFinal) return "running";
  return state === "completed" && (counts.superseded || lost || notes.damaged) ? "completed_with_rejects" : state;
}

/**
 * `there`: in the gallery without being sent; `skipped` by choice before sending, `skippedNow` after it; `takenBack`: what
 * the upload had brought, and is not shown any more.
 * @type {(counts: StatusAnswer["counts"], toDecide: number, more: { there: number, skipped: number, skippedNow?: number, takenBack?: number }) => void}
 */
function drawCounts(counts, toDecide, { there, skipped, skippedNow = 0, takenBack = 0 }) {
  const shown = { ...counts, unchanged: counts.unchanged + there, rejected: counts.rejected - toDecide - skippedNow };
  const lines = OUTCOMES.filter(([outcome]) => shown[outcome]).map(([outcome, text]) => tally(outcome, shown[outcome], text));
  if (toDecide) lines.push(tally("to_decide", toDecide, toDecide === 1 ? "needs your choice" : "need your choice"));
  if (skipped + skippedNow) lines.push(tally("skipped", skipped + skippedNow, "skipped, as you chose"));
  if (takenBack) lines.push(tally("taken_back", takenBack, "no longer shown"));
  byId("counts").replaceChildren(...lines);
}

/** @type {(outcome: Outcome | "to_decide" | "skipped" | "taken_back", value: number, text: string) => HTMLLIElement} */
function tally(outcome, value, text) {
  return el("li", { "data-outcome": outcome }, el("strong", {}, number(value)), ` ${text}`);
}

/** @param {Noted} noted */
function drawNotes({ heading, items }) {
  byId("notes-part").hidden = !items.length;
  byId("notes-heading").textContent = heading;
  showGroups(byId("notes"), items, { largestFirst: false });
}

/**
 * What a person can do something about: neither what waits for a choice above, nor what was skipped by choice.
 * @type {(found: NotAdded, since: Since) => void}
 */
function drawProblems({ listed, open }, { gone }) {
  const shown = [...listed.map((one) => ({ name: one.file_name, ...explain(one) })), ...gone.map((one) => ({ name: one.file_name, ...GONE }))];
  const all = open + gone.length;
  byId("problems-part").hidden = !shown.length;
  byId("problems-heading").textContent = `${count(all, "photograph")} need${all === 1 ? "s" : ""} your attention`;
  showGroups(byId("problems"), shown);
  notice(byId("problems-more"), all > shown.length ? `Shown are the first ${number(shown.length)} of ${number(all)}.` : "");
}

/** @param {unknown} caught */
function drawTrouble(caught) {
  const error = ApiError.of(caught);
  const text = error.isLockedOut
    ? "The upload link has expired, so this page can no longer watch. The gallery is made all the same: you may close this tab."
    : "The server does not answer just now. This page tries again by itself; the gallery does not depend on it.";
  notice(byId("watch-trouble"), text, "warning");
  byId("again").hidden = !error.isLockedOut && error.status !== 404;
}
