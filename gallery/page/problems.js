/* The photographs of an upload that are not in the gallery, and why. A status names only the first hundred of them. */

/**
 * @import { EntryAnswer, ProblemItem, StatusAnswer } from "../api/schemas.ts"
 * @import { GalleryApi } from "./api.js"
 * @typedef {Pick<ProblemItem, "file_name" | "reason" | "message"> & Pick<EntryAnswer, "outcome">} Problem
 * @typedef {{ listed: Problem[], open: number, skipped: number }} NotAdded
 * `listed`: what a person can do something about, all of it once the upload has ended; `open`: how many those are;
 * `skipped`: how many were skipped by choice.
 */

import { allEntries } from "./entries.js";

export class Problems {
  /** @type {number | null} */
  #skipped = null;

  /**
   * Of a single run: it changes no choice.
   * @param {Pick<GalleryApi, "entries">} api
   * @param {string} uploadId
   */
  constructor(api, uploadId) {
    this.api = api;
    this.uploadId = uploadId;
  }

  /**
   * @param {Pick<StatusAnswer, "counts" | "to_decide" | "problems">} status
   * @param {boolean} isFinal
   * @returns {Promise<NotAdded>}
   */
  async of({ counts, to_decide: toDecide = 0, problems }, isFinal) {
    const all = counts.rejected + counts.failed;
    const isWhole = problems.length >= all;
    /** @type {Problem[]} */
    const known = isWhole || !isFinal ? problems : [...(await this.#entries("rejected")), ...(await this.#entries("failed"))];
    const skipped = isWhole || isFinal ? known.filter(isSkipped).length : (this.#skipped ??= (await allEntries(this.api, this.uploadId, { reason: "left_out" })).length);
    const superseded = isFinal && counts.superseded ? await this.#entries("superseded") : [];
    const listed = known.filter((one) => one.reason !== "would_replace" && !isSkipped(one));
    return { listed: [...listed, ...superseded], open: all - toDecide - skipped + superseded.length, skipped };
  }

  /**
   * @param {string} outcome
   * @returns {Promise<Problem[]>}
   */
  async #entries(outcome) {
    const entries = await allEntries(this.api, this.uploadId, { outcome });
    return entries.map(({ file_name, outcome, reason, message }) => ({ file_name, outcome, reason: reason ?? "", message: message ?? "" }));
  }
}

/** @param {Problem} problem */
function isSkipped({ reason }) {
  return reason === "left_out";
}
