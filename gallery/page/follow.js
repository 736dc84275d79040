/* Asks for an upload's status until its end: soon while it moves, ever less often while it does not. An end that a
retry may follow is none: a crashed run is retried by itself within half a minute. */

/**
 * @import { StatusAnswer, UploadState } from "../api/schemas.ts"
 * @import { GalleryApi } from "./api.js"
 */

import { ApiError } from "./api.js";
import { pauseUntilSeen } from "./backoff.js";

const SOON = 1_000;
const LATEST = 5_000;
/** @type {Set<UploadState>} */
const FINAL = new Set(["completed", "completed_with_rejects", "failed", "cancelled", "crashed", "expired"]);
/** @type {Set<UploadState>} */
const MAY_GO_ON = new Set(["failed", "crashed"]);

/**
 * Call `onStatus` for each answer, of an end once, and `onTrouble` where there is none, or where `onStatus` fails: then it
 * is called again.
 * @param {GalleryApi} api
 * @param {string} uploadId
 * @param {AbortSignal} signal
 * @param {{ onStatus: (status: StatusAnswer, isFinal: boolean) => Promise<void>, onTrouble: (error: ApiError) => void }} listener
 */
export async function follow(api, uploadId, signal, { onStatus, onTrouble }) {
  let wait = SOON;
  let last = "";
  while (!signal.aborted) {
    try {
      const status = await api.status(uploadId);
      if (signal.aborted) return;
      const isFinal = FINAL.has(status.state);
      const now = JSON.stringify([status.state, status.counts]);
      if (!isFinal || now !== last) await onStatus(status, isFinal);
      if (signal.aborted) return;
      if (isFinal && !MAY_GO_ON.has(status.state)) return;
      wait = isFinal ? LATEST : now === last ? Math.min(LATEST, wait * 1.5) : SOON;
      last = now;
    } catch (caught) {
      const error = ApiError.of(caught);
      onTrouble(error);
      if (error.isLockedOut || error.status === 404) return;
      wait = LATEST;
    }
    await pauseUntilSeen(wait);
  }
}
