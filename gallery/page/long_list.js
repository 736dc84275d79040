/* A list that only has the rows one can see: 1,361 files scroll as smoothly as ten, and cost as little to redraw. */

import { el } from "./dom.js";

const MARGIN = 6; // rows above and below, so that scrolling finds them made

/** @template Item */
export class LongList {
  /** @type {Map<number, HTMLLIElement>} */
  #rows = new Map();
  /** @type {Item[]} */
  #items = [];

  /**
   * `scroller` scrolls; `makeRow` gives a row, `fill` writes an item into it.
   * @param {HTMLElement} scroller
   * @param {{ rowHeight: number, makeRow: () => HTMLLIElement, fill: (row: HTMLLIElement, item: Item) => void }} rows
   */
  constructor(scroller, { rowHeight, makeRow, fill }) {
    this.scroller = scroller;
    this.height = rowHeight;
    this.makeRow = makeRow;
    this.fill = fill;
    this.list = el("ol", { className: "rows", role: "list" });
    scroller.append(this.list);
    scroller.addEventListener("scroll", () => this.draw(), { passive: true });
    new ResizeObserver(() => this.draw()).observe(scroller);
  }

  /** @param {Item[]} items */
  set items(items) {
    this.#items = items;
    this.#resize();
  }

  /** @param {number} height of each row, in pixels */
  set rowHeight(height) {
    if (height === this.height) return;
    this.height = height;
    for (const row of this.#rows.values()) row.remove();
    this.#rows.clear();
    this.#resize();
  }

  #resize() {
    this.list.style.height = `${this.#items.length * this.height}px`;
    this.draw();
  }

  /** Write the visible rows anew. */
  draw() {
    const { scrollTop, clientHeight } = this.scroller;
    const first = Math.max(0, Math.floor(scrollTop / this.height) - MARGIN);
    const last = Math.min(this.#items.length, Math.ceil((scrollTop + clientHeight) / this.height) + MARGIN);
    for (const [index, row] of this.#rows) {
      if (index >= first && index < last) continue;
      row.remove();
      this.#rows.delete(index);
    }
    for (let index = first; index < last; index++) this.fill(this.#row(index), this.#items[index]);
  }

  /** @param {number} index */
  #row(index) {
    let row = this.#rows.get(index);
    if (!row) {
      row = this.makeRow();
      row.style.transform = `translateY(${index * this.height}px)`;
      row.setAttribute("aria-posinset", String(index + 1));
      this.#rows.set(index, row);
      // In the order of the list, for screen readers.
      const following = [...this.list.children].find((other) => Number(other.ariaPosInSet) > index + 1);
      this.list.insertBefore(row, following ?? null);
    }
    row.setAttribute("aria-setsize", String(this.#items.length));
    return row;
  }
}
