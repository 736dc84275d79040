/* One line of the list of files while they are sent. */

/** @import { Entry } from "../sender.js" */

import { el } from "../dom.js";
import { bytes } from "../words.js";

export const ROW_HEIGHT = 40; // pixels, as page.css has it
const WORDS = { waiting: "Waiting", sent: "Sent", stuck: "Not sent" };

export function makeRow() {
  const parts = ["name", "size", "state"].map((className) => el("span", { className }));
  return el("li", { className: "row" }, ...parts, el("span", { className: "fill", "aria-hidden": "true" }));
}

/** @type {(row: HTMLLIElement, file: Entry) => void} */
export function fillRow(row, file) {
  const [name, size, state, fill] = /** @type {HTMLCollectionOf<HTMLElement>} */ (row.children);
  write(name, file.name);
  name.title = file.name;
  write(size, bytes(file.size));
  const share = file.size ? file.loaded / file.size : 0;
  write(state, stateWords(file, share));
  row.dataset.state = file.state;
  fill.style.transform = `scaleX(${file.state === "sending" ? share : 0})`;
}

/** @type {(file: Entry, share: number) => string} */
function stateWords(file, share) {
  if (file.state === "sending") return `${Math.floor(share * 100)}%`;
  return file.state === "waiting" && file.tries ? "Trying again" : WORDS[file.state];
}

/** @type {(element: HTMLElement, text: string) => void} */
function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
