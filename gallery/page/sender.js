/* Sends an upload's files straight to S3, a few at a time, and keeps at it.

A file is waiting, sending, sent, or stuck: given up until somebody asks to try again. Events: `change` (often; coalesce),
`settled` when every file is sent or stuck, `locked-out` when the API takes the link no longer: it pauses then. */

/**
 * @import { PresignAnswer, PresignedFile } from "../api/schemas.ts"
 * @import { GalleryApi } from "./api.js"
 * @import { Answer } from "./transfer.js"
 * @typedef {{ name: string, size: number, file: File | null }} FileToSend
 * @typedef {"waiting" | "sending" | "sent" | "stuck"} State
 * @typedef {"changed" | "unreadable" | "refused" | "storage" | "server"} Why
 * @typedef {FileToSend & { state: State, loaded: number, tries: number, signatures: number, why: Why | "" }} Entry
 */

import { ApiError } from "./api.js";
import { backoff } from "./backoff.js";
import { isReadable, transfer } from "./transfer.js";

const PARALLEL = 5; // browsers open six connections to a host; one stays free
const TRIES = 8; // with their pauses some two minutes; a lost line is waited for without end
const FRESH_SIGNATURES = 3;
const MAYBE_EXPIRED = 5;
const EXPIRES_SOON = 120_000;

export class Sender extends EventTarget {
  /** @type {Entry[]} */
  #queue = [];
  /** @type {Map<string, PresignedFile>} */
  #requests = new Map();
  #expiresAt = 0;
  /** @type {Promise<void> | null} */
  #signing = null;
  /** @type {Map<Entry, AbortController>} */
  #underWay = new Map();

  /**
   * `signed`: the answer of presign or sign. What it does not list has arrived, and needs no `file`.
   * @param {GalleryApi} api
   * @param {string} uploadId
   * @param {FileToSend[]} files
   * @param {PresignAnswer} signed
   */
  constructor(api, uploadId, files, signed) {
    super();
    this.api = api;
    this.uploadId = uploadId;
    this.paused = false;
    this.lineLost = false;
    /** @type {Entry[]} */
    this.files = files.map((one) => ({ ...one, state: "waiting", loaded: 0, tries: 0, signatures: 0, why: "" }));
    this.totalBytes = files.reduce((sum, one) => sum + one.size, 0);
    this.counts = { waiting: this.files.length, sending: 0, sent: 0, stuck: 0 };
    this.sentBytes = 0;
    this.arrivedBefore = 0;
    this.#learn(signed);
    for (const entry of this.files) {
      if (this.#requests.has(entry.name)) this.#queue.push(entry);
      else this.#arrived(entry);
    }
    this.arrivedBefore = this.counts.sent;
    addEventListener("online", () => this.#online());
    addEventListener("offline", () => this.#offline());
  }

  start() {
    this.#fill();
  }

  get isSettled() {
    return this.counts.sent + this.counts.stuck === this.files.length;
  }

  /** Bytes that have left, of files that are sent and under way. */
  get loadedBytes() {
    let loaded = this.sentBytes;
    for (const entry of this.#underWay.keys()) loaded += entry.loaded;
    return loaded;
  }

  pause() {
    this.paused = true;
    this.#interrupt();
  }

  resume() {
    this.paused = false;
    this.#fill();
  }

  retryStuck() {
    for (const entry of this.files) {
      if (entry.state !== "stuck") continue;
      Object.assign(entry, { tries: 0, signatures: 0, why: "" });
      this.#move(entry, "waiting");
      this.#queue.push(entry);
    }
    this.#fill();
  }

  #online() {
    this.lineLost = false;
    this.#fill();
  }

  #offline() {
    this.lineLost = true;
    this.#interrupt();
  }

  #interrupt() {
    for (const controller of this.#underWay.values()) controller.abort();
    this.#changed();
  }

  #fill() {
    while (!this.paused && navigator.onLine && this.#underWay.size < PARALLEL) {
      const entry = this.#queue.shift();
      if (!entry) break;
      this.#send(entry);
    }
    this.#changed();
  }

  /** @param {Entry} entry */
  async #send(entry) {
    const controller = new AbortController();
    this.#underWay.set(entry, controller);
    this.#move(entry, "sending");
    try {
      await this.#sendOnce(entry, controller.signal);
    } catch (error) {
      this.#signingFailed(entry, error);
    } finally {
      this.#underWay.delete(entry);
      entry.loaded = 0;
      this.#fill();
      if (this.isSettled) this.dispatchEvent(new Event("settled"));
    }
  }

  /** @type {(entry: Entry, signal: AbortSignal) => Promise<void>} */
  async #sendOnce(entry, signal) {
    if (entry.file?.size !== entry.size) return this.#stuck(entry, "changed");
    if (Date.now() > this.#expiresAt - EXPIRES_SOON) await this.#sign();
    const request = this.#requests.get(entry.name);
    if (!request) return this.#arrived(entry);
    /** @param {number} loaded */
    const onProgress = (loaded) => {
      entry.loaded = loaded;
      this.#changed();
    };
    const answer = await transfer(request, entry.file, { onProgress, signal });
    if (signal.aborted && answer.status === 0) return this.#again(entry, 0);
    return this.#judge(entry, request, answer);
  }

  /** @type {(entry: Entry, request: PresignedFile, answer: Answer) => Promise<void>} */
  async #judge(entry, request, { status, code }) {
    if (status >= 200 && status < 300) {
      this.lineLost = false;
      return this.#arrived(entry);
    }
    entry.tries += 1;
    if (status === 0) {
      if (!entry.file || !(await isReadable(entry.file))) return this.#stuck(entry, "unreadable");
      // A line that is down says nothing against the file: no end of tries.
      this.lineLost = true;
      // Some stores refuse an expired signature in a way that looks like a lost line to a page.
      if (entry.tries % MAYBE_EXPIRED === 0) await this.#sign();
      return this.#again(entry, backoff(entry.tries));
    }
    this.lineLost = false;
    if (status === 403 && entry.signatures < FRESH_SIGNATURES) {
      entry.signatures += 1;
      // Another file may have brought fresh ones meanwhile.
      if (this.#requests.get(entry.name) === request) await this.#sign();
      return this.#again(entry, backoff(entry.signatures));
    }
    // Its presigned request is for the size that it had when it was chosen.
    if (code === "EntityTooLarge" || code === "EntityTooSmall") return this.#stuck(entry, "changed");
    const mayPass = status === 408 || status === 429 || status >= 500 || code === "RequestTimeout";
    if (mayPass && entry.tries < TRIES) return this.#again(entry, backoff(entry.tries));
    return this.#stuck(entry, mayPass ? "storage" : "refused");
  }

  /** Fresh requests for all that has not arrived; one call, however many files ask. */
  #sign() {
    this.#signing ??= this.api
      .sign(this.uploadId)
      .then((signed) => this.#learn(signed))
      .finally(() => (this.#signing = null));
    return this.#signing;
  }

  /** @param {PresignAnswer} signed */
  #learn(signed) {
    this.#requests = new Map(signed.files.map((one) => [one.file_name, one]));
    this.#expiresAt = Date.parse(signed.expires_at) || Infinity;
  }

  /** @type {(entry: Entry, caught: unknown) => void} */
  #signingFailed(entry, caught) {
    const error = ApiError.of(caught);
    // 409: it was completed without us, since everything has arrived. Its status will tell.
    if (error.status === 409) return this.#arrived(entry);
    if (error.status === 0) {
      this.lineLost = true;
      return this.#again(entry, backoff(++entry.tries));
    }
    if (!error.isLockedOut) return this.#stuck(entry, "server");
    this.paused = true;
    this.#again(entry, 0);
    this.dispatchEvent(new Event("locked-out"));
  }

  /** @type {(entry: Entry, delay: number) => void} */
  #again(entry, delay) {
    this.#move(entry, "waiting");
    const back = () => {
      this.#queue.unshift(entry);
      this.#fill();
    };
    if (delay) setTimeout(back, delay);
    else this.#queue.unshift(entry);
  }

  /** @param {Entry} entry */
  #arrived(entry) {
    this.sentBytes += entry.size;
    this.#move(entry, "sent");
  }

  /** @type {(entry: Entry, why: Why) => void} */
  #stuck(entry, why) {
    entry.why = why;
    this.#move(entry, "stuck");
  }

  /** @type {(entry: Entry, state: State) => void} */
  #move(entry, state) {
    this.counts[entry.state] -= 1;
    this.counts[state] += 1;
    entry.state = state;
    this.#changed();
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }
}
