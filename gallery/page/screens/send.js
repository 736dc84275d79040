/* Sending: overall and per-file progress, pause, what got stuck; ends with the API's word that everything is accepted. */

/**
 * @import { PresignAnswer } from "../../api/schemas.ts"
 * @import { GalleryApi } from "../api.js"
 * @import { Journal, Matched, NotSent } from "../journal.js"
 * @import { Entry, FileToSend } from "../sender.js"
 * @import { LeftOut } from "./stuck.js"
 * @typedef {{ uploadId: string, files: FileToSend[], signed: PresignAnswer, notSent: NotSent, isAccepted?: false } & Partial<Matched>} Upload
 * @typedef {{ uploadId: string, notSent: NotSent, isAccepted: true, files?: undefined }} Accepted
 * @typedef {{ uploadId: null, notSent: NotSent, files?: undefined }} NothingToSend
 */

import { ApiError } from "../api.js";
import { announce, byId, find, findAll, notice, setProgress, show, tell } from "../dom.js";
import { LongList } from "../long_list.js";
import { keepAwake } from "../awake.js";
import { Pace } from "../pace.js";
import { Sender } from "../sender.js";
import { bytes, count, duration, number } from "../words.js";
import { fillRow, makeRow, ROW_HEIGHT } from "./file_row.js";
import { showLeftOut } from "./left_out.js";
import { drawStuck } from "./stuck.js";

const ANNOUNCE_EVERY = 10; // percent

/** @type {LongList<Entry> | undefined} */
let list;

/**
 * Resolves when the upload is accepted.
 * @param {{ api: GalleryApi, journal: Journal, upload: Upload }} given
 * @returns {Promise<void>}
 */
export function send({ api, journal, upload }) {
  const sender = new Sender(api, upload.uploadId, upload.files, upload.signed);
  const screen = new SendScreen(sender, upload);
  let finishing = false;
  return new Promise((resolve) => {
    const finish = async () => {
      if (finishing) return;
      finishing = true;
      if (await screen.complete(api)) {
        journal.accepted(upload.uploadId, upload.notSent);
        screen.close();
        resolve();
      }
      finishing = false;
    };
    sender.addEventListener("settled", () => (screen.isComplete ? finish() : screen.ask()));
    sender.addEventListener("locked-out", () => screen.lockedOut());
    addEventListener("link-renewed", () => screen.goOn(), { signal: screen.signal });
    byId("leave-out").onclick = finish;
    sender.start();
    if (sender.isSettled) sender.dispatchEvent(new Event("settled"));
  });
}

class SendScreen {
  #end = new AbortController();
  #frame = 0;
  #announced = 0;
  #pace = new Pace();

  /**
   * @param {Sender} sender
   * @param {Upload} upload
   */
  constructor(sender, upload) {
    this.sender = sender;
    this.signal = this.#end.signal;
    this.leftOut = [
      ...(upload.absent ?? []).map(/** @returns {LeftOut} */ (one) => ({ ...one, why: "absent" })),
      ...(upload.changed ?? []).map(/** @returns {LeftOut} */ (one) => ({ ...one, why: "changed" })),
    ];
    this.fileCount = sender.files.length + this.leftOut.length;
    this.totalBytes = this.leftOut.reduce((sum, one) => sum + one.size, sender.totalBytes);
    sender.addEventListener("change", () => this.#redraw(), { signal: this.signal });
    addEventListener("beforeunload", (event) => event.preventDefault(), { signal: this.signal });
    keepAwake(this.signal);
    byId("pause").onclick = () => (sender.paused ? this.goOn() : this.#pause());
    byId("retry-stuck").onclick = () => sender.retryStuck();
    for (const radio of findAll(document, "input[name=filter]", HTMLInputElement)) radio.onchange = () => this.#redraw();
    notice(byId("send-trouble"), "");
    notice(byId("send-note"), noteOn(upload));
    showLeftOut(byId("send-left-out"), upload.notSent.leftOut);
    byId("filter-waiting", HTMLInputElement).checked = true;
    show("sending");
    this.list = list ??= new LongList(byId("files"), { rowHeight: ROW_HEIGHT, makeRow, fill: fillRow });
    this.#draw();
  }

  get isComplete() {
    return !this.sender.counts.stuck && !this.leftOut.length;
  }

  close() {
    this.#end.abort();
    cancelAnimationFrame(this.#frame);
  }

  goOn() {
    notice(byId("send-trouble"), "");
    this.sender.resume();
    announce("Sending goes on.");
  }

  #pause() {
    this.sender.pause();
    announce("Sending is paused.");
  }

  lockedOut() {
    const text = "This upload link has expired. Ask for a new one and open it in this tab: sending goes on where it is.";
    notice(byId("send-trouble"), text, "error");
    announce(text);
  }

  ask() {
    this.#draw();
    byId("stuck-heading").focus();
  }

  /**
   * Whether the API has accepted the upload; where it has not, the screen says why.
   * @param {GalleryApi} api
   */
  async complete(api) {
    byId("leave-out", HTMLButtonElement).disabled = true;
    try {
      await api.complete(this.sender.uploadId);
      return true;
    } catch (caught) {
      const error = ApiError.of(caught);
      const text = error.isLockedOut
        ? "All photographs have arrived, and the gallery is made by itself. The upload link has expired, so this page cannot watch it: you may close it."
        : `Everything is sent, but the server does not take notice (${error.message}). Reload this page to try again.`;
      notice(byId("send-trouble"), text, error.isLockedOut ? "info" : "error");
      announce(text);
      if (error.isLockedOut) this.#end.abort();
      return false;
    } finally {
      byId("leave-out", HTMLButtonElement).disabled = false;
    }
  }

  /** At most once a frame, however many bytes report. */
  #redraw() {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      if (!this.signal.aborted) this.#draw();
    });
  }

  #draw() {
    const { sender, totalBytes } = this;
    const { counts } = sender;
    const share = totalBytes ? sender.loadedBytes / totalBytes : 1;
    const sent = `${number(counts.sent)} of ${count(this.fileCount, "photograph")}`;
    setProgress(byId("send-bar"), share, `${sent} sent`);
    byId("send-percent").textContent = `${Math.floor(share * 100)}%`;
    byId("send-count").textContent = `${sent} · ${bytes(sender.loadedBytes)} of ${bytes(totalBytes)}`;
    byId("send-time").textContent = this.#timeLeft();
    byId("pause").textContent = sender.paused ? "Go on" : "Pause";
    byId("pause").hidden = sender.isSettled;
    drawStuck(sender, this.leftOut);
    this.#drawList();
    this.#announceProgress(share, sent);
    this.#drawHeading();
  }

  #drawHeading() {
    const waits = this.sender.isSettled && !this.isComplete;
    const words = waits
      ? ["Some could not be sent", `What has arrived is safe. ${this.sender.counts.stuck ? "Try again, or finish without the rest." : "You can finish without the rest."}`]
      : ["Sending your photographs", "Keep this tab open until all have arrived."];
    tell([byId("send-heading"), byId("send-lead")], words);
  }

  #timeLeft() {
    const { sender } = this;
    if (sender.isSettled) return "";
    if (sender.paused) return "Paused";
    if (!navigator.onLine || sender.lineLost) return "No connection: goes on by itself once it is back";
    const seconds = this.#pace.secondsFor(sender.loadedBytes, sender.totalBytes);
    return seconds === null ? "" : `${duration(seconds)} left`;
  }

  #drawList() {
    const { files, counts } = this.sender;
    byId("filter-all-count").textContent = number(files.length);
    byId("filter-waiting-count").textContent = number(counts.waiting + counts.sending);
    byId("filter-sent-count").textContent = number(counts.sent);
    const wanted = find(document, "input[name=filter]:checked", HTMLInputElement).value;
    /** @type {Record<string, () => Entry[]>} */
    const shown = {
      all: () => files,
      waiting: () => files.filter((one) => one.state === "sending").concat(files.filter((one) => one.state === "waiting")),
      sent: () => files.filter((one) => one.state === "sent"),
    };
    this.list.items = shown[wanted]();
  }

  /** @type {(share: number, sent: string) => void} */
  #announceProgress(share, sent) {
    const percent = Math.floor((share * 100) / ANNOUNCE_EVERY) * ANNOUNCE_EVERY;
    if (percent <= this.#announced) return;
    this.#announced = percent;
    announce(`${percent} percent, ${sent} sent.`);
  }
}

/** @param {Upload} upload */
function noteOn({ others, edited }) {
  const notes = [];
  if (others) notes.push(`${count(others, "file")} in this folder did not belong to this upload; send them afterwards.`);
  if (edited?.length) notes.push(`${count(edited.length, "photograph")} changed after being sent; this upload keeps what was sent.`);
  return notes.join(" ");
}
