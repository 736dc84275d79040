/* The gallery API, as this page uses it. What may pass by itself (a lost line, an overload, a restart) is tried again. */

/**
 * @import { AcceptedAnswer, CompareAnswer, DecideRequest, DecidedAnswer, EntriesAnswer, FaultyFile, FileToCompare, FileToPresign, ImageAnswer, ImagesAnswer, LimitsAnswer, PresignAnswer, RestoreRequest, StatusAnswer, VersionsAnswer } from "../api/schemas.ts"
 * @import { Session } from "./session.js"
 */

import { backoff, pause } from "./backoff.js";

const TRIES = 6;

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
    return new ApiError(NaN, "", caught instanceof Error ? caught.message : String(caught));
  }

  /** The link or key is no longer good, or never was. */
  get isLockedOut() {
    return this.status === 401 || this.status === 403;
  }
}

export class GalleryApi {
  /** @param {Session} session */
  constructor(session) {
    this.session = session;
    // Beside this page, wherever a reverse proxy has put it.
    this.base = new URL("./v1/", document.baseURI);
  }

  /** @returns {Promise<LimitsAnswer>} */
  limits() {
    return this.#call("GET", "limits");
  }

  /** @type {(files: FileToCompare[]) => Promise<CompareAnswer>} */
  compare(files) {
    return this.#call("POST", `${this.#gallery}/compare`, { files });
  }

  /** @type {(files: FileToPresign[], idempotencyKey: string) => Promise<PresignAnswer>} */
  presign(files, idempotencyKey) {
    return this.#call("POST", `${this.#gallery}/uploads`, { files }, { "Idempotency-Key": idempotencyKey });
  }

  /** @type {(uploadId: string) => Promise<PresignAnswer>} */
  sign(uploadId) {
    return this.#call("POST", `uploads/${encodeURIComponent(uploadId)}/sign`);
  }

  /** @type {(uploadId: string) => Promise<AcceptedAnswer>} */
  complete(uploadId) {
    return this.#call("POST", `uploads/${encodeURIComponent(uploadId)}/complete`);
  }

  /** @type {(uploadId: string) => Promise<StatusAnswer>} */
  status(uploadId) {
    return this.#call("GET", `uploads/${encodeURIComponent(uploadId)}`);
  }

  /** @type {(uploadId: string, query: Record<string, string>) => Promise<EntriesAnswer>} */
  entries(uploadId, query) {
    return this.#call("GET", `uploads/${encodeURIComponent(uploadId)}/entries?${new URLSearchParams(query)}`);
  }

  /** @type {(uploadId: string, decision: DecideRequest) => Promise<DecidedAnswer>} */
  decide(uploadId, decision) {
    return this.#call("POST", `uploads/${encodeURIComponent(uploadId)}/decide`, decision);
  }

  /** @type {(query: Record<string, string>) => Promise<ImagesAnswer>} */
  images(query) {
    return this.#call("GET", `${this.#gallery}/images?${new URLSearchParams(query)}`);
  }

  /** @type {(imageId: string) => Promise<ImageAnswer>} */
  image(imageId) {
    return this.#call("GET", `${this.#gallery}/images/${imageId}`);
  }

  /** @type {(imageId: string) => Promise<VersionsAnswer>} */
  versions(imageId) {
    return this.#call("GET", `${this.#gallery}/images/${imageId}/versions`);
  }

  /** @type {(imageId: string, versionId: string, body: RestoreRequest) => Promise<ImageAnswer>} */
  restore(imageId, versionId, body) {
    return this.#call("POST", `${this.#gallery}/images/${imageId}/versions/${versionId}/restore`, body);
  }

  get #gallery() {
    return `galleries/${encodeURIComponent(this.session.galleryId)}`;
  }

  /**
   * @template T
   * @param {string} method
   * @param {string} path
   * @param {object} [body]
   * @param {Record<string, string>} [headers]
   * @returns {Promise<T>} what the API's documentation says; nothing checks it
   */
  async #call(method, path, body, headers = {}) {
    for (let attempt = 1; ; attempt++) {
      const token = this.session.token;
      try {
        return await this.#once(method, path, body, headers);
      } catch (caught) {
        const error = ApiError.of(caught);
        // The late answer to a former link: a fresh one has been opened meanwhile.
        if (error.isLockedOut && token !== this.session.token) continue;
        const mayPass = error.status === 0 || error.status === 429 || error.status >= 500;
        if (!mayPass || attempt === TRIES) throw caught;
        await pause(Math.max(backoff(attempt), error.retryAfter));
      }
    }
  }

  /** @type {(method: string, path: string, body: object | undefined, headers: Record<string, string>) => Promise<any>} */
  async #once(method, path, body, headers) {
    /** @type {Record<string, string>} */
    const all = { ...headers, Accept: "application/json" };
    if (this.session.token) all.Authorization = `Bearer ${this.session.token}`;
    if (body) all["Content-Type"] = "application/json";
    let response, answer;
    try {
      response = await fetch(new URL(path, this.base), {
        method,
        headers: all,
        body: body && JSON.stringify(body),
        cache: "no-store",
        credentials: "omit",
      });
      answer = await response.json();
    } catch {
      throw new ApiError(response && !response.ok ? response.status : 0, "unreachable", "the server does not answer");
    }
    if (response.ok) return answer;
    const error = new ApiError(response.status, answer.code ?? "", answer.detail ?? "the server refuses this");
    error.faulty = answer.errors ?? [];
    error.retryAfter = 1000 * Math.min(30, Number(response.headers.get("Retry-After")) || 0);
    throw error;
  }
}
