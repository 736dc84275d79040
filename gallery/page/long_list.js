/* A list that only has the rows one can see: 1,361 files scroll as smoothly as ten, and cost as little to redraw. */

import { el } from "./dom.js";

const MARGIN = 6; // rows above and below, so that scrolling finds them made

export class LongList {
  #rows = new Map();
  #items = [];

  /** `scroller` scrolls; `makeRow()` gives an li, `fill(row, item)` writes an item into it. */
  constructor(scroller, { rowHeight, makeRow, fill }) {
    Object.assign(this, { scroller, rowHeight, makeRow, fill });
    this.list = el("ol", { className: "rows", role: "list" });
    scroller.append(this.list);
    scroller.addEventListener("scroll", () => this.draw(), { passive: true });
    new ResizeObserver(() => this.draw()).observe(scroller);
  }

  set items(items) {
    this.#items = items;
    this.list.style.height = `${items.length * this.rowHeight}px`;
    this.draw();
  }

  /** Write the visible rows anew. */
  draw() {
    const { scrollTop, clientHeight } = this.scroller;
    const first = Math.max(0, Math.floor(scrollTop / this.rowHeight) - MARGIN);
    const last = Math.min(this.#items.length, Math.ceil((scrollTop + clientHeight) / this.rowHeight) + MARGIN);
    for (const [index, row] of this.#rows) {
      if (index >= first && index < last) continue;
      row.remove();
      this.#rows.delete(index);
    }
    for (let index = first; index < last; index++) this.fill(this.#row(index), this.#items[index]);
  }

  #row(index) {
    let row = this.#rows.get(index);
    if (!row) {
      row = this.makeRow();
      row.style.transform = `translateY(${index * this.rowHeight}px)`;
      row.setAttribute("aria-posinset", index + 1);
      this.#rows.set(index, row);
      // In the order of the list, for screen readers.
      const following = [...this.list.children].find((other) => Number(other.ariaPosInSet) > index + 1);
      this.list.insertBefore(row, following ?? null);
    }
    row.setAttribute("aria-setsize", this.#items.length);
    return row;
  }
}
