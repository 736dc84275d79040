/* Keeps a phone's or laptop's screen on while photographs are sent, where the browser can: asleep, it sends nothing. */

/** @param {AbortSignal} signal */
export function keepAwake(signal) {
  /** @type {WakeLockSentinel | null} */
  let lock = null;
  const ask = async () => {
    if (document.visibilityState !== "visible" || signal.aborted) return;
    try {
      lock = await navigator.wakeLock?.request("screen");
    } catch {
      lock = null; // a low battery, or not allowed: not worth a word
    }
    if (signal.aborted) lock?.release();
  };
  // The browser takes it back whenever the tab is hidden.
  document.addEventListener("visibilitychange", ask, { signal });
  signal.addEventListener("abort", () => lock?.release());
  ask();
}
