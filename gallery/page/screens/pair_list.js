/* A list of rows with two pictures side by side, a name, a note and something to do: one photograph and another. */

/** @template Item @typedef {{ label: string, captions: [string, string], makeControl: () => HTMLElement, fill: (row: HTMLLIElement, item: Item) => void }} PairRows */

import { el } from "../dom.js";
import { LongList } from "../long_list.js";
import { makeFrame } from "../pictures.js";

// Pixels, as page.css has them.
const HEIGHT = 128;
const HEIGHT_ON_PHONES = 196;
const PHONES = "(max-width: 34rem)";

/**
 * Such a list as the only content of `container`; `label` says what it is.
 * @template Item
 * @param {HTMLElement} container
 * @param {PairRows<Item>} rows
 * @returns {LongList<Item>}
 */
export function makePairList(container, { label, captions, makeControl, fill }) {
  const scroller = el("div", { className: "files pairs", tabIndex: 0, role: "region", "aria-label": label });
  container.replaceChildren(scroller);
  const phones = matchMedia(PHONES);
  const rowHeight = () => (phones.matches ? HEIGHT_ON_PHONES : HEIGHT);
  const list = new LongList(scroller, { rowHeight: rowHeight(), makeRow: () => makeRow(captions, makeControl()), fill });
  phones.addEventListener("change", () => (list.rowHeight = rowHeight()));
  return list;
}

/** @type {(captions: [string, string], control: HTMLElement) => HTMLLIElement} */
function makeRow([first, second], control) {
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
