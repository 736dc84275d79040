/* Files with something against them, grouped by what it is: the reason and what to do once, then the names. */

import { el } from "./dom.js";
import { count, number } from "./words.js";

const SHOWN = 3;

/** Fill `container` with `items`: `{name, title, advice, detail?}`. */
export function showGroups(container, items) {
  const groups = new Map();
  for (const item of items) {
    if (!groups.has(item.title)) groups.set(item.title, []);
    groups.get(item.title).push(item);
  }
  const largestFirst = [...groups.values()].sort((a, b) => b.length - a.length);
  container.replaceChildren(...largestFirst.map(group));
  container.hidden = !items.length;
}

function group(items) {
  const [first] = items;
  const heading = el("h3", {}, first.title, el("span", { className: "tally" }, number(items.length)));
  return el("li", { className: "group" }, heading, el("p", {}, first.advice), ...names(items));
}

function names(items) {
  if (items.length <= SHOWN + 1) return [listOf(items)];
  const rest = items.slice(SHOWN);
  const more = el("details", {}, el("summary", {}, `${count(rest.length, "more file")}`));
  // Made when asked for: there may be thousands.
  more.addEventListener("toggle", () => more.childElementCount === 1 && more.append(listOf(rest)));
  return [listOf(items.slice(0, SHOWN)), more];
}

function listOf(items) {
  return el("ul", { className: "names", role: "list" }, ...items.map(line));
}

function line({ name, detail }) {
  const parts = [el("span", { className: "name" }, name)];
  if (detail) parts.push(el("span", { className: "detail" }, detail));
  return el("li", {}, ...parts);
}
