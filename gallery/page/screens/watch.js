/* Watching the gallery being made. Nothing depends on this page any more, which is the first thing it says. */

/**
 * @import { Outcome, ProblemItem, StatusAnswer } from "../../api/schemas.ts"
 * @import { ApiError, GalleryApi } from "../api.js"
 * @import { Journal } from "../journal.js"
 */

import { ContactSheet } from "../contact_sheet.js";
import { announce, byId, el, notice, setProgress, show } from "../dom.js";
import { follow } from "../follow.js";
import { showGroups } from "../groups.js";
import { explain, OUTCOMES } from "../reasons.js";
import { waitingInWords } from "../waiting.js";
import { count, number } from "../words.js";

const MEANWHILE = [
  "You may close this tab now",
  "All photographs have arrived. The gallery is made from here on without this page, and nothing is lost when you close it.",
];

/**
 * Resolves when somebody wants to send more.
 * @param {{ api: GalleryApi, journal: Journal, uploadId: string }} given
 */
export async function watch({ api, journal, uploadId }) {
  const end = new AbortController();
  const sheet = new ContactSheet(api, byId("sheet"));
  [byId("watch-heading").textContent, byId("watch-text").textContent] = MEANWHILE;
  notice(byId("watch-trouble"), "");
  for (const id of ["counts", "problems"]) byId(id).replaceChildren();
  byId("problems-part").hidden = byId("again").hidden = true;
  setProgress(byId("watch-bar"), 0, "waiting to begin");
  byId("watch-percent").textContent = "0%";
  byId("watch-count").textContent = "";
  byId("watching").dataset.state = "running";
  // Watched again from the beginning: which upload it is has been kept.
  addEventListener("link-renewed", () => location.reload(), { signal: end.signal });
  show("watching");
  announce("All photographs have arrived. You may close this tab now.");
  const more = new Promise((resolve) => (byId("again").onclick = resolve));
  follow(api, uploadId, end.signal, {
    onStatus: (status, isFinal) => {
      notice(byId("watch-trouble"), "");
      drawStatus(status, isFinal);
      sheet.refresh(isFinal);
      if (!isFinal) return;
      journal.finished(uploadId);
      announce(verdict(status).join(". "));
    },
    onTrouble: (error) => drawTrouble(error),
  });
  await more;
  end.abort();
  sheet.close();
  journal.forget();
}

/** @type {(status: StatusAnswer, isFinal: boolean) => void} */
function drawStatus(status, isFinal) {
  const { counts, image_count: total, problems } = status;
  const done = total - counts.pending;
  const words = [isFinal || done ? `${number(done)} of ${count(total, "photograph")} done` : "", isFinal ? "" : waitingInWords(status)].filter(Boolean).join(" · ");
  setProgress(byId("watch-bar"), total ? done / total : 1, words);
  byId("watch-percent").textContent = `${Math.floor((100 * done) / (total || 1))}%`;
  byId("watch-count").textContent = words;
  byId("counts").replaceChildren(...OUTCOMES.filter(([outcome]) => counts[outcome]).map(([outcome, text]) => tally(outcome, counts[outcome], text)));
  drawProblems(problems, counts);
  byId("again").hidden = !isFinal;
  byId("watching").dataset.state = isFinal ? status.state : "running";
  [byId("watch-heading").textContent, byId("watch-text").textContent] = isFinal ? verdict(status) : MEANWHILE;
}

/** @type {(outcome: Outcome, value: number, text: string) => HTMLLIElement} */
function tally(outcome, value, text) {
  return el("li", { "data-outcome": outcome }, el("strong", {}, number(value)), ` ${text}`);
}

/** @type {(problems: ProblemItem[], counts: StatusAnswer["counts"]) => void} */
function drawProblems(problems, counts) {
  const all = counts.rejected + counts.failed;
  byId("problems-part").hidden = !problems.length;
  byId("problems-heading").textContent = `${count(all, "photograph")} need${all === 1 ? "s" : ""} your attention`;
  showGroups(byId("problems"), problems.map((one) => ({ name: one.file_name, ...explain(one) })));
  notice(byId("problems-more"), all > problems.length ? `Shown are the first ${number(problems.length)} of ${number(all)}.` : "");
}

/**
 * Heading and text of the end.
 * @param {StatusAnswer} status
 */
function verdict({ state, counts, image_count: total }) {
  const good = counts.saved + counts.replaced + counts.unchanged + counts.superseded;
  const all = `All ${count(total, "photograph")} are in the gallery`;
  const some = `${number(good)} of ${count(total, "photograph")} ${good === 1 || total === 1 ? "is" : "are"} in the gallery`;
  switch (state) {
    case "completed":
      return [total === 1 ? "The photograph is in the gallery" : all, "That was all. You may close this tab."];
    case "completed_with_rejects":
      return [some, "The others cannot be used as they are; what to do about each stands below. You may close this tab."];
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

/** @param {ApiError} error */
function drawTrouble(error) {
  const text = error.isLockedOut
    ? "The upload link has expired, so this page can no longer watch. The gallery is made all the same: you may close this tab."
    : "The server does not answer just now. This page tries again by itself; the gallery does not depend on it.";
  notice(byId("watch-trouble"), text, "warning");
  byId("again").hidden = !error.isLockedOut && error.status !== 404;
}
