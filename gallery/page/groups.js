/* Files with something against them, grouped by what it is: the reason and what to do once, then the names. */

/**
 * @typedef {{ title: string, advice: string }} Reason
 * @typedef {Reason & { name: string, detail?: string }} Item
 */

import { el } from "./dom.js";
import { count, number } from "./words.js";

const SHOWN = 3;

/**
 * Fill `container` with `items`.
 * @param {HTMLElement} container
 * @param {Item[]} items
 * @param {{ largestFirst?: boolean }} [order] else in the order of their first items
 */
export function showGroups(container, items, { largestFirst = true } = {}) {
  /** @type {Map<string, Item[]>} */
  const groups = new Map();
  for (const item of items) {
    const alike = groups.get(item.title);
    if (alike) alike.push(item);
    else groups.set(item.title, [item]);
  }
  const ordered = [...groups.values()];
  if (largestFirst) ordered.sort((a, b) => b.length - a.length);
  container.replaceChildren(...ordered.map(group));
  container.hidden = !items.length;
}

/** @param {Item[]} items */
function group(items) {
  const [first] = items;
  const heading = el("h3", {}, first.title, el("span", { className: "tally" }, number(items.length)));
  return el("li", { className: "group" }, heading, el("p", {}, first.advice), ...names(items));
}

/** @param {Item[]} items */
function names(items) {
  if (items.length <= SHOWN + 1) return [listOf(items)];
  const rest = items.slice(SHOWN);
  const more = el("details", {}, el("summary", {}, `${count(rest.length, "more file")}`));
  // Made when asked for: there may be thousands.
  more.addEventListener("toggle", () => more.childElementCount === 1 && more.append(listOf(rest)));
  return [listOf(items.slice(0, SHOWN)), more];
}

/** @param {Item[]} items */
function listOf(items) {
  return el("ul", { className: "names", role: "list" }, ...items.map(line));
}

/** @param {Item} item */
function line({ name, detail }) {
  const parts = [el("span", { className: "name" }, name)];
  if (detail) parts.push(el("span", { className: "detail" }, detail));
  return el("li", {}, ...parts);
}
