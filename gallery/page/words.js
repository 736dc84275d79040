/* Numbers as people read them. */

const whole = new Intl.NumberFormat("en");
const UNITS = ["bytes", "kB", "MB", "GB", "TB"];

/** @param {number} value */
export function number(value) {
  return whole.format(value);
}

/**
 * "1 photograph", "1,361 photographs".
 * @param {number} value
 * @param {string} one
 */
export function count(value, one, many = `${one}s`) {
  return `${number(value)} ${value === 1 ? one : many}`;
}

/**
 * "3.4 MB", in powers of 1,000 as operating systems' file lists have them.
 * @param {number} value
 */
export function bytes(value) {
  let unit = 0;
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  if (!unit) return `${value}\u00a0${value === 1 ? "byte" : "bytes"}`;
  return `${value < 10 ? value.toFixed(1) : Math.round(value)}\u00a0${UNITS[unit]}`;
}

/**
 * "about 12 minutes": coarse, because it is a guess.
 * @param {number} seconds
 */
export function duration(seconds) {
  if (seconds < 50) return "less than a minute";
  const minutes = Math.round(seconds / 60);
  if (minutes < 90) return `about ${count(minutes, "minute")}`;
  return `about ${count(Math.round(minutes / 60), "hour")}`;
}

/**
 * In lower case, without the dot; "" where there is none.
 * @param {string} name
 */
export function extensionOf(name) {
  const match = /\.([^./]+)$/.exec(name);
  return match ? match[1].toLowerCase() : "";
}
