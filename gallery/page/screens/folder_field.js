/* Where a folder is dropped or chosen: the same for a first choice and for going on after a reload. */

/** @import { Found } from "../pick.js" */

import { find, findAll } from "../dom.js";
import { chosen, dropped } from "../pick.js";

/**
 * Call `onFiles` for whatever is dropped on `field` or chosen with its buttons, at the very moment: folders are searched
 * from then on. Gives what aborts it.
 * @param {HTMLElement} field
 * @param {(found: Promise<Found>) => void} onFiles
 */
export function listen(field, onFiles) {
  const end = new AbortController();
  const { signal } = end;
  let searches = 0;
  for (const button of findAll(field, "button[data-opens]", HTMLButtonElement)) {
    const input = find(field, `input[name=${button.dataset.opens}]`, HTMLInputElement);
    // Some phones cannot choose folders.
    button.hidden = button.dataset.opens === "folder" && !("webkitdirectory" in input);
    button.addEventListener("click", () => input.click(), { signal });
    input.addEventListener("change", () => take(input, onFiles), { signal });
  }
  /** @param {boolean} on */
  const mark = (on) => field.classList.toggle("over", on);
  // Anywhere on the page: a hand with a folder on the pointer should not have to aim.
  document.addEventListener("dragover", () => mark(true), { signal });
  document.addEventListener("dragleave", (event) => event.relatedTarget || mark(false), { signal });
  document.addEventListener(
    "drop",
    async (event) => {
      mark(false);
      if (!event.dataTransfer) return;
      event.preventDefault();
      searches += 1;
      field.setAttribute("aria-busy", "true");
      const found = dropped(event.dataTransfer);
      onFiles(found);
      await found;
      searches -= 1;
      if (!searches) field.removeAttribute("aria-busy");
    },
    { signal },
  );
  return end;
}

/** @type {(input: HTMLInputElement, onFiles: (found: Promise<Found>) => void) => void} */
function take(input, onFiles) {
  const found = chosen(input);
  // So that choosing the same folder again is a change, too.
  input.value = "";
  onFiles(Promise.resolve(found));
}
