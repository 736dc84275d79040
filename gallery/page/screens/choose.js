/* Choosing photographs: what can be sent, what would be refused and why, and what it would do to the gallery, before
anything is sent. */

/**
 * @import { Choice, LimitsAnswer } from "../../api/schemas.ts"
 * @import { GalleryApi } from "../api.js"
 * @import { Sendable } from "../check.js"
 * @import { Compared, Plan } from "../compare.js"
 * @import { Item } from "../groups.js"
 * @import { Journal } from "../journal.js"
 * @import { Found, Picked } from "../pick.js"
 * @import { Question } from "./choice_list.js"
 * @import { NothingToSend, Upload } from "./send.js"
 * @typedef {Omit<Found, "files">} Skipped
 * @typedef {"choosing" | "comparing" | "compared" | "not compared" | "failed"} State
 * `not compared`: by a server that cannot compare yet.
 */

import { ApiError } from "../api.js";
import { pauseUntilSeen } from "../backoff.js";
import { sortOut, tooMany } from "../check.js";
import { asked, Choices, plan } from "../compare.js";
import { compareWithGallery, namesForBoth } from "../comparing.js";
import { announce, byId, find, notice, setProgress, show } from "../dom.js";
import { leavingOutFaulty } from "../faulty.js";
import { showGroups } from "../groups.js";
import { measure, named } from "../pick.js";
import { bytes, count, number } from "../words.js";
import { ChoiceList } from "./choice_list.js";
import { drawElsewhere, drawFindings } from "./findings.js";
import { listen } from "./folder_field.js";

const AGAIN = 4_000; // milliseconds until the gallery is asked again about names that another upload is using

/**
 * Resolves to the upload that was opened; to one without an id where nothing has to be sent.
 * @param {{ api: GalleryApi, journal: Journal, limits: LimitsAnswer }} given
 * @returns {Promise<Upload | NothingToSend>}
 */
export function choose({ api, journal, limits }) {
  const screen = new ChooseScreen(api, limits);
  return new Promise((resolve) => {
    byId("send").onclick = async () => {
      const upload = await screen.open(journal);
      if (!upload) return;
      screen.close();
      resolve(upload);
    };
  });
}

class ChooseScreen {
  /** @type {Picked[]} */
  #picked = [];
  /** @type {Skipped} */
  #skipped = { hidden: 0, unreadable: 0 };
  /** @type {Sendable[]} */
  #good = [];
  /** @type {Item[]} */
  #refused = [];
  /** @type {State} */
  #state = "choosing";
  #problem = "";
  /** @type {Compared[]} */
  #compared = [];
  /** @type {Map<string, string>} */
  #numbered = new Map();
  #choices = new Choices();
  /** @type {WeakMap<File, string>} */
  #digests = new WeakMap();
  #comparing = new AbortController();
  #frame = 0;

  /**
   * @param {GalleryApi} api
   * @param {LimitsAnswer} limits
   */
  constructor(api, limits) {
    this.api = api;
    this.limits = limits;
    this.listening = listen(byId("choose-field"), (found) => this.#add(found));
    addEventListener("link-renewed", () => this.#linkRenewed(), { signal: this.listening.signal });
    byId("clear").onclick = () => this.#clear();
    byId("send-elsewhere").onchange = () => this.#draw();
    byId("send-elsewhere", HTMLInputElement).checked = false;
    this.list = new ChoiceList(byId("conflicts"), {
      api,
      choices: this.#choices,
      note: (question, choice) => this.#note(question, choice),
      onChange: () => {
        this.#draw();
        announce(`${byId("review-summary").textContent}.`);
      },
    });
    this.#drawAll();
    show("choose");
  }

  close() {
    this.listening.abort();
    this.#comparing.abort();
    cancelAnimationFrame(this.#frame);
  }

  /**
   * Open an upload; null where it could not be opened, which the screen says.
   * @param {Journal} journal
   * @returns {Promise<Upload | NothingToSend | null>}
   */
  async open(journal) {
    if (this.#state === "failed") {
      this.#compare();
      return null;
    }
    const { send, there, skipped } = this.#plan;
    const notSent = { there, skipped, leftOut: this.#refused };
    if (!send.length) return { uploadId: null, notSent };
    byId("send", HTMLButtonElement).disabled = true;
    try {
      const { answer: signed, files, leftOut } = await leavingOutFaulty(send, (some) =>
        this.api.presign(some.map(({ name, size, type, expect }) => ({ file_name: name, size, content_type: type, expect })), freshKey()),
      );
      const upload = { uploadId: signed.upload_id, files, signed, notSent: { ...notSent, leftOut: [...this.#refused, ...leftOut] } };
      journal.opened(upload.uploadId, files, upload.notSent);
      return upload;
    } catch (error) {
      notice(byId("send-problem"), whyNotOpened(error), "error");
      byId("send", HTMLButtonElement).disabled = false;
      return null;
    }
  }

  /** @param {Found} found */
  #add({ files, hidden, unreadable }) {
    this.#picked = [...this.#picked, ...files];
    this.#skipped = { hidden: this.#skipped.hidden + hidden, unreadable: this.#skipped.unreadable + unreadable };
    this.#compare();
  }

  #clear() {
    this.#picked = [];
    this.#skipped = { hidden: 0, unreadable: 0 };
    this.#choices.clear();
    byId("send-elsewhere", HTMLInputElement).checked = false;
    this.#compare();
    find(byId("choose-field"), "button:not([hidden])", HTMLButtonElement).focus();
  }

  #linkRenewed() {
    notice(byId("send-problem"), "");
    if (this.#state === "failed") this.#compare();
  }

  async #compare() {
    this.#comparing.abort();
    this.#comparing = new AbortController();
    const { signal } = this.#comparing;
    await measure(this.#picked);
    if (signal.aborted) return;
    const { good, refused } = sortOut(named(this.#picked), this.limits);
    [this.#good, this.#refused, this.#compared, this.#problem] = [good, refused, [], ""];
    this.#state = good.length ? "comparing" : "choosing";
    this.#drawProgress(0, 0);
    this.#drawAll();
    byId("review").scrollIntoView({ block: "nearest" });
    if (!good.length) return;
    try {
      const { compared, refused: unusable } = await this.#ask(good, signal);
      if (signal.aborted) return;
      [this.#compared, this.#refused, this.#state] = [compared, [...refused, ...unusable], "compared"];
    } catch (caught) {
      if (signal.aborted) return;
      const error = ApiError.of(caught);
      this.#state = error.status === 404 ? "not compared" : "failed";
      this.#problem = this.#state === "failed" ? whyNotCompared(error) : "";
    }
    this.#drawAll();
    this.#askAgain(signal);
  }

  /** @type {(files: Sendable[], signal: AbortSignal) => ReturnType<typeof compareWithGallery>} */
  async #ask(files, signal) {
    const comparison = await compareWithGallery(files, {
      api: this.api,
      digests: this.#digests,
      signal,
      onProgress: (done, total) => this.#drawProgress(done, total),
    });
    for (const { name } of files) this.#numbered.delete(name);
    const taken = [...this.#good.map((one) => one.name), ...this.#numbered.values()];
    for (const [name, numbered] of await namesForBoth(comparison.compared, taken, this.api)) this.#numbered.set(name, numbered);
    return comparison;
  }

  /**
   * Ask again and again about names that another upload is using, until the gallery knows.
   * @param {AbortSignal} signal
   */
  async #askAgain(signal) {
    for (;;) {
      const unknown = this.#compared.filter((one) => one.finding === "unknown").map((one) => one.file);
      if (!unknown.length) return;
      await pauseUntilSeen(AGAIN);
      if (signal.aborted) return;
      try {
        const { compared } = await this.#ask(unknown, signal);
        const byName = new Map(compared.map((one) => [one.file.name, one]));
        if (signal.aborted) return;
        if (compared.every((one) => one.finding === "unknown")) continue;
        this.#compared = this.#compared.map((one) => byName.get(one.file.name) ?? one);
        this.#drawAll();
      } catch {
        // The next round asks again.
      }
    }
  }

  get #sendElsewhere() {
    return byId("send-elsewhere", HTMLInputElement).checked;
  }

  /** @returns {Plan} */
  get #plan() {
    if (this.#state === "not compared") return { send: this.#good.map((one) => ({ ...one, path: one.name })), there: 0, skipped: 0, waiting: 0 };
    return plan(this.#compared, { choices: this.#choices, sendElsewhere: this.#sendElsewhere, numbered: this.#numbered });
  }

  /** After the comparison has changed; choices alone change less. */
  #drawAll() {
    drawFindings(this.#compared);
    drawElsewhere(this.#compared);
    byId("refused-heading").hidden = !this.#refused.length;
    byId("refused-count").textContent = `${count(this.#refused.length, "file")} will not be sent`;
    showGroups(byId("refused"), this.#refused);
    byId("skipped").textContent = wordsFor(this.#skipped);
    this.#draw();
    const refused = this.#refused.length ? ` ${number(this.#refused.length)} will not be sent.` : "";
    if (!byId("review").hidden) announce(`${this.#state === "comparing" ? "Comparing with the gallery" : byId("review-summary").textContent}.${refused}`);
  }

  #draw() {
    const isComparing = this.#state === "comparing";
    const { send, there, skipped, waiting } = this.#plan;
    const shown = isComparing || this.#state === "failed" ? this.#good : send;
    const crowd = isComparing ? null : tooMany(send.length, this.limits);
    byId("review").hidden = !(this.#good.length || this.#refused.length || this.#skipped.hidden || this.#skipped.unreadable);
    byId("choose-field").classList.toggle("small", !byId("review").hidden);
    byId("review-summary").textContent = summaryOf(shown, there, skipped);
    byId("comparing").hidden = !isComparing;
    const button = byId("send", HTMLButtonElement);
    button.textContent = this.#state === "failed" ? "Try again" : send.length ? `Send ${count(send.length, "photograph")}` : there || skipped ? "Finish" : "Send";
    button.disabled = this.#state !== "failed" && (Boolean(waiting || crowd) || !(send.length || there || skipped));
    notice(byId("send-problem"), this.#problem || (crowd ?? ""), "error");
    this.#drawConflicts(waiting);
  }

  /** @param {number} waiting */
  #drawConflicts(waiting) {
    const questions = asked(this.#compared, { choices: this.#choices, sendElsewhere: this.#sendElsewhere });
    byId("conflicts-part").hidden = !questions.length;
    byId("conflicts-heading").textContent = `${count(questions.length, "photograph")} ${questions.length === 1 ? "has a name that is" : "have names that are"} already in use`;
    notice(
      byId("conflicts-waiting"),
      waiting
        ? `Another upload in progress has ${count(waiting, "photograph")} with the same ${waiting === 1 ? "name" : "names"}. This page checks again every few seconds. To continue without waiting, keep both or skip ${waiting === 1 ? "it" : "them"}.`
        : "",
      "warning",
    );
    this.list.questions = questions.map(({ file, answer, finding }) => ({ name: file.name, file: file.file, imageId: answer.image_id, isWaiting: finding === "unknown" }));
  }

  /** @type {(question: Question, choice: Choice | null) => string} */
  #note({ name, isWaiting }, choice) {
    if (choice === "keep_both") return `Yours is added as ${this.#numbered.get(name)?.split("/").pop()}`;
    if (choice === "skip") return "Yours is not sent";
    if (isWaiting) return choice === "replace" ? "Yours replaces it once the other upload is done" : "Waiting for another upload";
    return "Yours replaces the one in the gallery";
  }

  /**
   * At most once a frame, however many files report.
   * @type {(done: number, total: number) => void}
   */
  #drawProgress(done, total) {
    cancelAnimationFrame(this.#frame);
    this.#frame = requestAnimationFrame(() => {
      const words = `Comparing with the gallery${total ? `: ${number(done)} of ${number(total)}` : " …"}`;
      setProgress(byId("compare-bar"), total ? done / total : 0, words);
      byId("compare-count").textContent = words;
    });
  }
}

/** @type {(files: { size: number }[], there: number, skipped: number) => string} */
function summaryOf(files, there, skipped) {
  if (files.length) return `${count(files.length, "photograph")}${there || skipped ? " to send" : ""}, ${bytes(files.reduce((sum, one) => sum + one.size, 0))}`;
  if (there && !skipped) return there === 1 ? "The photograph is in the gallery already" : `All ${count(there, "photograph")} are in the gallery already`;
  return there || skipped ? "Nothing to send" : "Nothing that can be sent";
}

/** @param {Skipped} skipped */
function wordsFor({ hidden, unreadable }) {
  const words = [];
  if (hidden) words.push(`${count(hidden, "hidden or system file")} left out.`);
  if (unreadable) words.push(`${count(unreadable, "file or folder", "files or folders")} could not be read.`);
  return words.join(" ");
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

/** @param {ApiError} error */
function whyNotCompared(error) {
  if (error.isLockedOut) return "This upload link has expired. Ask for a new one and open it in this tab: your choice is kept.";
  if (error.status === 0) return "The server does not answer. Check your connection and try again.";
  return `The photographs could not be compared with the gallery: ${error.message}. Try again.`;
}
