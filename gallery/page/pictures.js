/* Pictures side by side, where a person compares two photographs. They load once their row has stayed in view a moment:
of 1,361 only the ones that are looked at. */

/**
 * @import { ImageAnswer, RenditionAnswer } from "../api/schemas.ts"
 * @typedef {() => string | null | Promise<string | null>} Source an address, null where there is no picture
 */

import { el, find } from "./dom.js";

const SETTLED = 150; // milliseconds

/**
 * A frame for one picture.
 * @param {string} caption
 */
export function makeFrame(caption) {
  return el("figure", { className: "picture" }, el("img", { alt: "", decoding: "async" }), el("figcaption", {}, caption));
}

/**
 * Load a picture into a frame, if it is not there yet; `key` names the picture.
 * @type {(frame: HTMLElement, key: string, source: Source) => void}
 */
export function fillFrame(frame, key, source) {
  if (frame.dataset.key === key) return;
  frame.dataset.key = key;
  frame.dataset.state = "loading";
  find(frame, "img", HTMLImageElement).removeAttribute("src");
  setTimeout(() => load(frame, key, source), SETTLED);
}

/** @type {(frame: HTMLElement, key: string, source: Source) => Promise<void>} */
async function load(frame, key, source) {
  const isWanted = () => frame.isConnected && frame.dataset.key === key;
  if (!isWanted()) return;
  let address = null;
  try {
    address = await source();
    if (!isWanted()) return;
    const picture = find(frame, "img", HTMLImageElement);
    if (address !== null) {
      picture.src = address;
      await picture.decode();
    }
    frame.dataset.state = address === null ? "none" : "shown";
  } catch {
    // Browsers cannot show every kind of photograph: HEIC and TIFF, most of them.
    if (isWanted()) frame.dataset.state = "none";
  } finally {
    if (address?.startsWith("blob:")) URL.revokeObjectURL(address);
  }
}

/**
 * A file's own picture, whose address holds memory until it has been shown.
 * @param {File | null} file
 * @returns {Source}
 */
export function pictureOf(file) {
  return () => file && URL.createObjectURL(file);
}

/**
 * The smallest rendition that is large enough for `pixels`; undefined where there is none.
 * @type {(renditions: ImageAnswer["renditions"], pixels: number) => RenditionAnswer | undefined}
 */
export function smallest(renditions, pixels) {
  const bySize = Object.values(renditions).sort((a, b) => a.width * a.height - b.width * b.height);
  return bySize.find((one) => Math.max(one.width, one.height) >= pixels) ?? bySize[0];
}
