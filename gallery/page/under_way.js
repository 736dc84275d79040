/* Asks the gallery again about files that an upload under way may change: ever less often while nothing changes, and only
while somebody looks at the page. */

/** @import { Sendable } from "./check.js" */

import { pauseUntilSeen } from "./backoff.js";

const SOON = 5_000;
const LATEST = 30_000;

/**
 * Call `ask` with the `pending` files until there are none. It tells whether anything has changed; where it fails, the
 * next round asks again.
 * @param {object} given
 * @param {() => Sendable[]} given.pending
 * @param {(files: Sendable[]) => Promise<boolean>} given.ask
 * @param {AbortSignal} given.signal
 * @param {(milliseconds: number) => Promise<void>} [given.pause]
 */
export async function keepAsking({ pending, ask, signal, pause = pauseUntilSeen }) {
  let wait = SOON;
  while (pending().length) {
    await pause(wait);
    if (signal.aborted) return;
    const files = pending();
    if (!files.length) return;
    const isChanged = await ask(files).catch(() => false);
    wait = isChanged ? SOON : Math.min(LATEST, wait * 1.5);
  }
}
