/* Choosing photographs: what can be sent, what would be refused and why, and what it would do to the gallery, before
anything is sent. */

/**
 * @import { Choice, LimitsAnswer } from "../../api/schemas.ts"
 * @import { GalleryApi } from "../api.js"
 * @import { Sendable } from "../check.js"
 * @import { Compared, Plan } from "../compare.js"
 * @import { Comparison } from "../comparing.js"
 * @import { Item } from "../groups.js"
 * @import { Journal } from "../journal.js"
 * @import { Found, Picked } from "../pick.js"
 * @import { Question } from "./choice_list.js"
 * @import { NothingToSend, Upload } from "./send.js"
 * @typedef {Omit<Found, "files">} Skipped
 * @typedef {"choosing" | "comparing" | "compared" | "not compared" | "failed"} State
 * `not compared`: by a server that cannot compare yet.
 * @typedef {Comparison & { names: Map<string, string> }} Asked `names`: the numbered ones
 * @typedef {{ text: string, kind: "warning" | "error" }} Problem
 */

import { ApiError } from "../api.js";
import { lookalikes, sortOut, tooMany } from "../check.js";
import { asked, Choices, mayBeUnderWay, plan } from "../compare.js";
import { compareWithGallery, namesForBoth, readAll } from "../comparing.js";
import { announce, byId, find, notice, setProgress, show, tell } from "../dom.js";
import { leavingOutFaulty } from "../faulty.js";
import { showGroups } from "../groups.js";
import { LATE, tellNotAdded } from "../not_added.js";
import { measure, named } from "../pick.js";
import { keepAsking } from "../under_way.js";
import { count, number } from "../words.js";
import { ChoiceList } from "./choice_list.js";
import { conflictsInWords, goneInWords, notKnownInWords, summaryOf, underWayInWords, whyNotCompared, whyNotOpened, wordsFor } from "./choose_words.js";
import { drawElsewhere, drawFindings } from "./findings.js";
import { listen } from "./folder_field.js";

/** @type {Problem} */
const NO_PROBLEM = { text: "", kind: "warning" };

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
  #problem = NO_PROBLEM;
  /** Why the gallery cannot be asked again just now. */
  #trouble = "";
  /** From the press of Send until its answer: what is sent is what was on the screen, which is frozen. */
  #isOpening = false;
  /** Whether something was dropped meanwhile. */
  #hasLate = false;
  /** How many drops are being searched for their files. */
  #searching = 0;
  /** @type {Compared[]} */
  #compared = [];
  /** @type {Map<string, string>} */
  #numbered = new Map();
  #choices = new Choices();
  /** @type {WeakMap<File, string>} */
  #digests = new WeakMap();
  #comparing = new AbortController();
  /** @type {AbortSignal | null} The comparison that is asked about again and again. */
  #asking = null;
  #isImpatient = false;
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
    byId("do-not-wait").onclick = () => {
      this.#isImpatient = true;
      this.#choices.doNotWait(this.#compared);
      this.#drawAll();
      byId("send").focus();
    };
    byId("send-elsewhere").onchange = () => this.#draw();
    byId("send-elsewhere", HTMLInputElement).checked = false;
    this.list = new ChoiceList(byId("conflicts"), {
      api,
      choices: this.#choices,
      note: (question, choice) => this.#note(question, choice),
      onChange: () => this.#draw(),
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
    if (this.#isFrozen) return null;
    if (this.#state === "failed") {
      this.#compare();
      return null;
    }
    [this.#isOpening, this.#hasLate, this.#problem] = [true, false, NO_PROBLEM];
    this.#draw();
    announce("Preparing to send.");
    const upload = await this.#open(journal);
    if (upload) return upload;
    this.#isOpening = false;
    this.#drawAll();
    byId("send").focus();
    this.#askAgain(this.#comparing.signal);
    return null;
  }

  /** @type {(journal: Journal) => Promise<Upload | NothingToSend | null>} */
  async #open(journal) {
    const { signal } = this.#comparing;
    try {
      if (!(await this.#isStillSo(this.#plan.there, signal))) return null;
      const { send, there: known, skipped } = this.#plan;
      const there = known.map(({ name, size, file }) => ({ file_name: name, size, sha256: this.#digests.get(file) }));
      if (!send.length) return this.#hasLate ? null : { uploadId: null, notSent: { there, skipped, leftOut: this.#refused } };
      const { answer: signed, files, leftOut } = await leavingOutFaulty(send, (some) =>
        this.api.presign(some.map(({ name, size, type, expect }) => ({ file_name: name, size, content_type: type, expect })), freshKey()),
      );
      this.#leaveOut(leftOut);
      if (!signed) return null;
      const upload = { uploadId: signed.upload_id, files, signed, notSent: { there, skipped, leftOut: this.#refused } };
      journal.opened(upload.uploadId, files, upload.notSent);
      return upload;
    } catch (error) {
      this.#problem = { text: whyNotOpened(error), kind: "error" };
      return null;
    }
  }

  /**
   * Whether files that are not sent, because the gallery has them, are there at this moment. If not, the screen says so
   * and offers to send them.
   * @type {(files: Sendable[], signal: AbortSignal) => Promise<boolean>}
   */
  async #isStillSo(files, signal) {
    const comparison = await this.#ask(files, signal);
    const other = this.#take(comparison).filter(({ finding }) => finding !== "there" && finding !== "elsewhere");
    if (!other.length && !comparison.refused.length && !this.#waits) return true;
    const unsure = other.filter((one) => one.finding === "unknown" || mayBeUnderWay(one)).length;
    // Where that is waited for, the screen says so anyway.
    const text = [goneInWords(other.length - unsure), this.#waits ? "" : notKnownInWords(unsure)].filter(Boolean).join(" ");
    this.#problem = { text, kind: "warning" };
    return false;
  }

  /**
   * Put a later comparison of some of the files in place of the former one. Gives what has changed.
   * @param {Asked} comparison
   */
  #take({ compared, refused, names }) {
    this.#name(names);
    this.#choices.renew(compared);
    const former = new Map(this.#compared.map((one) => [one.file.name, JSON.stringify(one.answer)]));
    const changed = compared.filter((one) => former.get(one.file.name) !== JSON.stringify(one.answer));
    const byName = new Map(changed.map((one) => [one.file.name, one]));
    this.#compared = this.#compared.map((one) => byName.get(one.file.name) ?? one);
    this.#leaveOut(refused);
    return changed;
  }

  /** @param {Asked["names"]} names */
  #name(names) {
    for (const [name, numbered] of names) this.#numbered.set(name, numbered);
  }

  /** @param {Item[]} items */
  #leaveOut(items) {
    const names = new Set(items.map((one) => one.name));
    this.#compared = this.#compared.filter((one) => !names.has(one.file.name));
    this.#refused = [...this.#refused, ...items];
  }

  /** @param {Promise<Found>} found */
  async #add(found) {
    if (this.#isOpening) {
      this.#hasLate = true;
      tellNotAdded(LATE);
      return;
    }
    tellNotAdded("");
    this.#searching += 1;
    this.#draw();
    const { files, hidden, unreadable } = await found;
    this.#searching -= 1;
    this.#picked = [...this.#picked, ...files];
    this.#skipped = { hidden: this.#skipped.hidden + hidden, unreadable: this.#skipped.unreadable + unreadable };
    this.#compare();
  }

  #clear() {
    this.#picked = [];
    this.#skipped = { hidden: 0, unreadable: 0 };
    this.#choices.clear();
    this.#isImpatient = false;
    byId("send-elsewhere", HTMLInputElement).checked = false;
    this.#compare();
    find(byId("choose-field"), "button:not([hidden])", HTMLButtonElement).focus();
  }

  #linkRenewed() {
    [this.#problem, this.#trouble] = [NO_PROBLEM, ""];
    if (this.#state === "failed") this.#compare();
    else this.#draw();
  }

  async #compare() {
    this.#comparing.abort();
    this.#comparing = new AbortController();
    const { signal } = this.#comparing;
    // Nothing can be sent from here on, before all that was chosen is compared.
    [this.#compared, this.#problem, this.#trouble, this.#hasLate] = [[], NO_PROBLEM, "", false];
    this.#state = this.#picked.length ? "comparing" : "choosing";
    this.#draw();
    await measure(this.#picked);
    if (signal.aborted) return;
    const files = named(this.#picked);
    const { good } = sortOut(files, this.limits);
    [this.#good, this.#refused] = [good, []];
    this.#state = good.length ? "comparing" : "choosing";
    this.#drawProgress(0, 0);
    this.#drawAll();
    byId("review").scrollIntoView({ block: "nearest" });
    try {
      await readAll(lookalikes(files, this.limits), this.#reading(signal));
      this.#refused = sortOut(files, this.limits, this.#digests).refused;
      this.#drawAll();
      if (!good.length) return;
      const { compared, refused, names } = await this.#ask(good, signal);
      if (signal.aborted) return;
      this.#name(names);
      this.#choices.renew(compared);
      [this.#compared, this.#refused, this.#state] = [compared, [...this.#refused, ...refused], "compared"];
      if (this.#isImpatient) this.#choices.doNotWait(compared);
    } catch (caught) {
      if (signal.aborted) return;
      const error = ApiError.of(caught);
      this.#state = error.status === 404 ? "not compared" : "failed";
      if (this.#state === "failed") this.#problem = { text: whyNotCompared(error), kind: "error" };
    }
    this.#drawAll();
    this.#askAgain(signal);
  }

  /** @param {AbortSignal} signal */
  #reading(signal) {
    /** @type {(done: number, total: number) => void} */
    const onProgress = (done, total) => this.#drawProgress(done, total);
    return { digests: this.#digests, signal, onProgress };
  }

  /** @type {(files: Sendable[], signal: AbortSignal) => Promise<Asked>} */
  async #ask(files, signal) {
    const { compared, refused } = await compareWithGallery(files, { api: this.api, ...this.#reading(signal) });
    const asked = new Set(files.map((one) => one.name));
    const others = [...this.#numbered].flatMap(([name, numbered]) => (asked.has(name) ? [] : [numbered]));
    const { names, refused: nameless } = await namesForBoth(compared, [...this.#good.map((one) => one.name), ...others], this.api);
    const leftOut = new Set(nameless.map((one) => one.name));
    return { compared: compared.filter((one) => !leftOut.has(one.file.name)), refused: [...refused, ...nameless], names };
  }

  /**
   * Ask again and again about what an upload under way may change, until the gallery knows.
   * @param {AbortSignal} signal
   */
  async #askAgain(signal) {
    if (this.#asking === signal) return;
    this.#asking = signal;
    await keepAsking({
      pending: () => (this.#isImpatient ? this.#compared.filter((one) => one.finding === "unknown") : this.#underWay).map((one) => one.file),
      ask: async (files) => {
        if (this.#isOpening) return false;
        const comparison = await this.#ask(files, signal);
        if (signal.aborted || this.#isOpening) return false;
        const isChanged = Boolean(this.#take(comparison).length || comparison.refused.length);
        // What was said of the former comparison may not be true of this one.
        if (isChanged) this.#problem = NO_PROBLEM;
        if (isChanged || this.#trouble) {
          this.#trouble = "";
          this.#drawAll();
        }
        return isChanged;
      },
      onTrouble: (error) => {
        this.#trouble = whyNotCompared(error);
        this.#draw();
      },
      signal,
    });
    if (this.#asking === signal) this.#asking = null;
  }

  /** Whether the end of another upload is waited for, before anything is offered to be sent. */
  get #waits() {
    return this.#state === "compared" && !this.#isImpatient && this.#compared.some(mayBeUnderWay);
  }

  /** What an upload under way may change. */
  get #underWay() {
    return this.#compared.filter((one) => one.finding === "unknown" || mayBeUnderWay(one));
  }

  get #isFrozen() {
    return this.#isOpening || this.#searching > 0;
  }

  get #sendElsewhere() {
    return byId("send-elsewhere", HTMLInputElement).checked;
  }

  /** @returns {Plan} */
  get #plan() {
    if (this.#state === "not compared") return { send: this.#good.map((one) => ({ ...one, path: one.name })), there: [], skipped: 0, waiting: 0 };
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
    const waits = this.#waits ? ` ${byId("under-way-words").textContent}` : "";
    if (!byId("review").hidden) announce(`${this.#state === "comparing" ? "Comparing with the gallery" : byId("review-summary").textContent}.${waits}${refused}`);
  }

  #draw() {
    const isComparing = this.#state === "comparing";
    const { send, there: known, skipped, waiting } = this.#plan;
    const there = known.length;
    const waits = this.#waits;
    const shown = isComparing || this.#state === "failed" ? this.#good : send;
    const crowd = isComparing ? null : tooMany(send.length, this.limits);
    byId("review").hidden = !(this.#good.length || this.#refused.length || this.#skipped.hidden || this.#skipped.unreadable);
    byId("choose-field").classList.toggle("small", !byId("review").hidden);
    tell([byId("review-summary")], [summaryOf(shown, { there, skipped, waiting, isHeld: waits })]);
    byId("comparing").hidden = !isComparing;
    byId("choose-controls", HTMLFieldSetElement).disabled = this.#isFrozen;
    const button = byId("send", HTMLButtonElement);
    button.textContent = this.#isOpening ? "Preparing …" : this.#state === "failed" ? "Try again" : send.length || waiting ? `Send ${count(send.length + waiting, "photograph")}` : there || skipped ? "Finish" : "Send";
    button.disabled = this.#state !== "failed" && (waits || Boolean(waiting || crowd) || !(send.length || there || skipped));
    const { text, kind } = this.#problem.text ? this.#problem : { text: crowd ?? "", kind: /** @type {const} */ ("error") };
    notice(byId("send-problem"), [text, this.#trouble].filter(Boolean).join(" "), text ? kind : "warning");
    byId("under-way").hidden = !waits;
    byId("under-way-words").textContent = waits ? underWayInWords(this.#underWay.map((one) => one.file.name)) : "";
    this.#drawConflicts(waits ? 0 : waiting);
  }

  /** @param {number} waiting */
  #drawConflicts(waiting) {
    const all = asked(this.#compared, { choices: this.#choices, sendElsewhere: this.#sendElsewhere });
    const questions = this.#waits ? all.filter((one) => one.finding !== "unknown") : all;
    byId("conflicts-part").hidden = !questions.length;
    byId("conflicts-heading").textContent = conflictsInWords(questions.length, questions.filter((one) => one.finding === "unknown").length);
    notice(
      byId("conflicts-waiting"),
      waiting
        ? `Another upload in progress has ${count(waiting, "photograph")} with the same ${waiting === 1 ? "name" : "names"}. This page checks again every few seconds. To continue without waiting, keep both or skip ${waiting === 1 ? "it" : "them"}.`
        : "",
      "warning",
    );
    this.list.questions = questions.map(({ file, answer, finding }) => ({ name: file.name, file: file.file, imageId: answer.image_id, sha256: answer.sha256, isWaiting: finding === "unknown" }));
  }

  /** @type {(question: Question, choice: Choice | null) => string} */
  #note({ name, isWaiting }, choice) {
    if (choice === "keep_both") return `Yours is added as ${this.#numbered.get(name)?.split("/").pop()}`;
    if (choice === "skip") return "Yours is not sent";
    if (isWaiting) return "Waiting for another upload";
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

function freshKey() {
  // Not randomUUID: browsers have it on encrypted pages only.
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
