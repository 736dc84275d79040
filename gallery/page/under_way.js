/* Asks the gallery again about files that an upload under way may change: ever less often while nothing changes, and only
while somebody looks at the page. */

import { ApiError } from "./api.js";
import { pauseUntilSeen } from "./backoff.js";

const SOON = 5_000;
const LATEST = 30_000;

/**
 * Call `ask` with the `pending` files until there are none. It tells whether anything has changed; where it fails,
 * `onTrouble` hears of it, and the next round asks again.
 * @template File
 * @param {object} given
 * @param {() => File[]} given.pending
 * @param {(files: File[]) => Promise<boolean>} given.ask
 * @param {(error: ApiError) => void} given.onTrouble
 * @param {AbortSignal} given.signal
 * @param {(milliseconds: number) => Promise<void>} [given.pause]
 */
export async function keepAsking({ pending, ask, onTrouble, signal, pause = pauseUntilRenewed }) {
  let wait = SOON;
  while (pending().length) {
    await pause(wait);
    if (signal.aborted) return;
    const files = pending();
    if (!files.length) return;
    let isChanged = false;
    try {
      isChanged = await ask(files);
    } catch (caught) {
      if (signal.aborted) return;
      onTrouble(ApiError.of(caught));
    }
    wait = isChanged ? SOON : Math.min(LATEST, wait * 1.5);
  }
}

/**
 * A pause that a fresh upload link ends.
 * @param {number} milliseconds
 */
async function pauseUntilRenewed(milliseconds) {
  const end = new AbortController();
  const renewed = new Promise((resolve) => addEventListener("link-renewed", resolve, { once: true, signal: end.signal }));
  await Promise.race([pauseUntilSeen(milliseconds), renewed]);
  end.abort();
}
