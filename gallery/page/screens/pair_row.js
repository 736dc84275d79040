/* A row with two pictures side by side, a name, a note and something to do: one photograph of the gallery and another. */

import { el } from "../dom.js";
import { makeFrame } from "../pictures.js";

export const PAIR_HEIGHT = 128; // pixels, as page.css has it

/** @type {(captions: [string, string], control: HTMLElement) => HTMLLIElement} */
export function makePairRow([first, second], control) {
  const words = el("div", { className: "words" }, el("span", { className: "name" }), el("span", { className: "note" }));
  return el("li", { className: "row pair" }, makeFrame(first), makeFrame(second), words, control);
}

/**
 * The parts of such a row.
 * @param {HTMLLIElement} row
 */
export function partsOf(row) {
  const [first, second, words, control] = /** @type {HTMLCollectionOf<HTMLElement>} */ (row.children);
  const [name, note] = /** @type {HTMLCollectionOf<HTMLElement>} */ (words.children);
  return { first, second, name, note, control };
}
