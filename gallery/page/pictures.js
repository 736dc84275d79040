/* Pictures side by side, where a person compares two photographs. They load once their row has stayed in view a moment:
of 1,361 only the ones that are looked at. */

/**
 * @import { ImageAnswer, RenditionAnswer } from "../api/schemas.ts"
 * @typedef {(isWanted: () => boolean) => string | null | Promise<string | null>} Source an address, null where there is no picture
 */

import { el, find } from "./dom.js";

export const PIXELS = 240; // of a picture's longer side, for sharp screens
const SETTLED = 150; // milliseconds

/** @type {Promise<unknown>} */
let shrinking = Promise.resolve();

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
    address = await source(isWanted);
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
 * A small picture of a file. One after the other: decoded, a photograph of 24 megapixels takes 96 MB for a moment.
 * @param {File | null} file
 * @returns {Source}
 */
export function pictureOf(file) {
  return (isWanted) => {
    const shrunk = shrinking.then(() => (file && isWanted() ? shrink(file) : null));
    shrinking = shrunk.catch(() => null);
    return shrunk;
  };
}

/** @param {File} file */
async function shrink(file) {
  const picture = await createImageBitmap(file, { resizeWidth: PIXELS, resizeQuality: "medium" });
  const canvas = el("canvas", { width: picture.width, height: picture.height });
  // Drawn, not transferred: only then Chromium turns it as its camera was held.
  canvas.getContext("2d")?.drawImage(picture, 0, 0);
  picture.close();
  /** @type {Blob | null} */
  const small = await new Promise((resolve) => canvas.toBlob(resolve));
  return small && URL.createObjectURL(small);
}

/**
 * The smallest rendition that is large enough for `pixels`; undefined where there is none.
 * @type {(renditions: ImageAnswer["renditions"], pixels: number) => RenditionAnswer | undefined}
 */
export function smallest(renditions, pixels) {
  const bySize = Object.values(renditions).sort((a, b) => a.width * a.height - b.width * b.height);
  return bySize.find((one) => Math.max(one.width, one.height) >= pixels) ?? bySize[0];
}
