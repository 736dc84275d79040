/* How long to wait before another try. */

const FIRST = 500;
const LONGEST = 30_000;

/**
 * Milliseconds before try `attempt` + 1: doubling, with jitter, so that parallel senders do not all return at the same time.
 * @param {number} attempt
 */
export function backoff(attempt) {
  return Math.min(LONGEST, FIRST * 2 ** (attempt - 1)) * (0.5 + Math.random() / 2);
}

/** @param {number} milliseconds */
export function pause(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/**
 * A pause that also lasts as long as nobody looks at the page.
 * @param {number} milliseconds
 */
export async function pauseUntilSeen(milliseconds) {
  await pause(milliseconds);
  if (document.hidden) await new Promise((resolve) => document.addEventListener("visibilitychange", resolve, { once: true }));
}
