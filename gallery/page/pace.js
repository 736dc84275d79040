/* How fast it goes, and so how long it may take: over the last half minute, since lines change. */

const WINDOW = 30_000;
const TOO_SHORT = 4_000;

export class Pace {
  /** @type {{ at: number, loaded: number }[]} */
  #samples = [];

  /**
   * Seconds until all of `total` bytes are sent, of which `loaded` are; null while there is too little to tell from.
   * @param {number} loaded
   * @param {number} total
   */
  secondsFor(loaded, total) {
    const now = performance.now();
    const last = this.#samples.at(-1);
    if (!last || now - last.at > 500) this.#samples.push({ at: now, loaded });
    while (this.#samples.length > 2 && now - this.#samples[0].at > WINDOW) this.#samples.shift();
    const first = this.#samples[0];
    const [took, moved] = [now - first.at, loaded - first.loaded];
    return took < TOO_SHORT || moved <= 0 ? null : ((total - loaded) / moved) * (took / 1000);
  }
}
