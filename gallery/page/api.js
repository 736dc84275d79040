/* The gallery API, as this page uses it. What may pass by itself (a lost line, an overload, a restart) is tried again. */

/**
 * @import { AcceptedAnswer, CompareAnswer, DecideRequest, DecidedAnswer, EntriesAnswer, FaultyFile, FileToCompare, FileToPresign, ImageAnswer, ImagesAnswer, LimitsAnswer, PresignAnswer, RestoreRequest, StatusAnswer, VersionsAnswer } from "../api/schemas.ts"
 * @import { Session } from "./session.js"
 * @typedef {{ body?: object, headers?: Record<string, string>, has?: string[], limit?: number }} Asked
 * `has`: what the answer must have; `limit`: milliseconds that a try may take
 */

import { backoff, pause } from "./backoff.js";

const TRIES = 6;
// Milliseconds. A connection may be half open: then nothing comes, and no error either.
const LIMIT = 20_000;
const LIMIT_FOR_MANY = 60_000; // a server takes its time over 10,000 files
const PATIENCE = 120_000; // no further try after that
const SLOW = 5_000;

/** The API's answer when it is not what was asked for; `status` is 0 where none came. */
export class ApiError extends Error {
  /**
   * @param {number} status
   * @param {string} code
   * @param {string} detail
   */
  constructor(status, code, detail) {
    super(detail);
    this.status = status;
    this.code = code;
    this.retryAfter = 0; // milliseconds
    /** @type {FaultyFile[]} The files that a request was refused for. */
    this.faulty = [];
  }

  /**
   * Whatever was caught, as an error of the API; a mistake of the page's own has no status.
   * @param {unknown} caught
   */
  static of(caught) {
    if (caught instanceof ApiError) return caught;
    // For whoever looks for the mistake; a photographer cannot do anything with its text.
    console.error(caught);
    return new ApiError(NaN, "", "something unexpected happened on this page");
  }

  /** The link or key is no longer good, or never was. */
  get isLockedOut() {
    return this.status === 401 || this.status === 403;
  }
}

export class GalleryApi {
  #slow = 0;

  /**
   * `onSlow` hears when an answer is overdue, by its first try or the next ones, and when none is any longer.
   * @param {Session} session
   * @param {(isSlow: boolean) => void} [onSlow]
   */
  constructor(session, onSlow = () => {}) {
    this.onSlow = onSlow;
    this.session = session;
    // Beside this page, wherever a reverse proxy has put it.
    this.base = new URL("./v1/", document.baseURI);
  }

  /** @returns {Promise<LimitsAnswer>} */
  limits() {
    return this.#call("GET", "limits", { has: ["max_files"] });
  }

  /** @type {(files: FileToCompare[]) => Promise<CompareAnswer>} */
  compare(files) {
    return this.#call("POST", `${this.#gallery}/compare`, { body: { files }, has: ["files"], limit: LIMIT_FOR_MANY });
  }

  /** @type {(files: FileToPresign[], idempotencyKey: string) => Promise<PresignAnswer>} */
  presign(files, idempotencyKey) {
    return this.#call("POST", `${this.#gallery}/uploads`, { body: { files }, headers: { "Idempotency-Key": idempotencyKey }, has: ["upload_id", "files"], limit: LIMIT_FOR_MANY });
  }

  /** @type {(uploadId: string) => Promise<PresignAnswer>} */
  sign(uploadId) {
    return this.#call("POST", `uploads/${encodeURIComponent(uploadId)}/sign`, { has: ["files"], limit: LIMIT_FOR_MANY });
  }

  /** @type {(uploadId: string) => Promise<AcceptedAnswer>} */
  complete(uploadId) {
    return this.#call("POST", `uploads/${encodeURIComponent(uploadId)}/complete`, { limit: LIMIT_FOR_MANY });
  }

  /** @type {(uploadId: string) => Promise<StatusAnswer>} */
  status(uploadId) {
    return this.#call("GET", `uploads/${encodeURIComponent(uploadId)}`, { has: ["state", "counts"] });
  }

  /** @type {(uploadId: string, query: Record<string, string>) => Promise<EntriesAnswer>} */
  entries(uploadId, query) {
    return this.#call("GET", `uploads/${encodeURIComponent(uploadId)}/entries?${new URLSearchParams(query)}`, { has: ["entries"] });
  }

  /** @type {(uploadId: string, decision: DecideRequest) => Promise<DecidedAnswer>} */
  decide(uploadId, decision) {
    return this.#call("POST", `uploads/${encodeURIComponent(uploadId)}/decide`, { body: decision, limit: LIMIT_FOR_MANY });
  }

  /** @type {(query: Record<string, string>) => Promise<ImagesAnswer>} */
  images(query) {
    return this.#call("GET", `${this.#gallery}/images?${new URLSearchParams(query)}`, { has: ["images"] });
  }

  /** @type {(imageId: string) => Promise<ImageAnswer>} */
  image(imageId) {
    return this.#call("GET", `${this.#gallery}/images/${imageId}`, { has: ["renditions"] });
  }

  /** @type {(imageId: string) => Promise<VersionsAnswer>} */
  versions(imageId) {
    return this.#call("GET", `${this.#gallery}/images/${imageId}/versions`, { has: ["versions"] });
  }

  /** @type {(imageId: string, versionId: string, body: RestoreRequest) => Promise<ImageAnswer>} */
  restore(imageId, versionId, body) {
    return this.#call("POST", `${this.#gallery}/images/${imageId}/versions/${versionId}/restore`, { body, limit: LIMIT_FOR_MANY });
  }

  get #gallery() {
    return `galleries/${encodeURIComponent(this.session.galleryId)}`;
  }

  /**
   * @template T
   * @param {string} method
   * @param {string} path
   * @param {Asked} [asked]
   * @returns {Promise<T>} what the API's documentation says; only the fields that `has` names are checked to be there
   */
  async #call(method, path, asked = {}) {
    let isSlow = false;
    const slow = setTimeout(() => {
      isSlow = true;
      if (++this.#slow === 1) this.onSlow(true);
    }, SLOW);
    try {
      return await this.#patiently(method, path, asked);
    } finally {
      clearTimeout(slow);
      if (isSlow && --this.#slow === 0) this.onSlow(false);
    }
  }

  /** @type {(method: string, path: string, asked: Asked) => Promise<any>} */
  async #patiently(method, path, asked) {
    const began = performance.now();
    for (let attempt = 1; ; attempt++) {
      const token = this.session.token;
      try {
        return await this.#once(method, path, asked);
      } catch (caught) {
        const error = ApiError.of(caught);
        // The late answer to a former link: a fresh one has been opened meanwhile.
        if (error.isLockedOut && token !== this.session.token) continue;
        const mayPass = error.status === 0 || error.status === 429 || error.status >= 500;
        if (!mayPass || attempt === TRIES || performance.now() - began >= PATIENCE) throw caught;
        await pause(Math.max(backoff(attempt), error.retryAfter));
      }
    }
  }

  /** @type {(method: string, path: string, asked: Asked) => Promise<any>} */
  async #once(method, path, { body, headers, has = [], limit = LIMIT }) {
    /** @type {Record<string, string>} */
    const all = { ...headers, Accept: "application/json" };
    if (this.session.token) all.Authorization = `Bearer ${this.session.token}`;
    if (body) all["Content-Type"] = "application/json";
    const end = new AbortController();
    const timer = setTimeout(() => end.abort(), limit);
    /** @type {Response | undefined} */
    let response;
    /** @type {any} */
    let answer;
    try {
      response = await fetch(new URL(path, this.base), {
        method,
        headers: all,
        body: body && JSON.stringify(body),
        cache: "no-store",
        credentials: "omit",
        signal: end.signal,
      });
      answer = await response.json();
      // Something between the page and the API may answer in its place.
      if (response.ok && has.some((field) => (answer[field] ?? null) === null)) throw new TypeError("not an answer of the API");
    } catch {
      throw new ApiError(response && !response.ok ? response.status : 0, "unreachable", "the server does not answer");
    } finally {
      clearTimeout(timer);
    }
    if (response.ok) return answer;
    const error = new ApiError(response.status, answer?.code ?? "", answer?.detail ?? "the server refuses this");
    error.faulty = answer?.errors ?? [];
    error.retryAfter = 1000 * Math.min(30, Number(response.headers.get("Retry-After")) || 0);
    throw error;
  }
}
