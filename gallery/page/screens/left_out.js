/* Files that the server did not take, so that the rest could go ahead. */

/** @import { Item } from "../groups.js" */

import { find } from "../dom.js";
import { showGroups } from "../groups.js";
import { count } from "../words.js";

/** @type {(part: HTMLElement, items: Item[]) => void} */
export function showLeftOut(part, items) {
  part.hidden = !items.length;
  find(part, "h2", HTMLElement).textContent = `${count(items.length, "file")} ${items.length === 1 ? "was" : "were"} left out`;
  showGroups(find(part, "ul", HTMLElement), items);
}
