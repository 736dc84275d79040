/* Where a folder is dropped or chosen: the same for a first choice and for going on after a reload. */

import { chosen, dropped } from "../pick.js";

/** Call `onFiles({files, hidden, unreadable})` for whatever is dropped on `field` or chosen with its buttons; gives what aborts it. */
export function listen(field, onFiles) {
  const end = new AbortController();
  const { signal } = end;
  for (const button of field.querySelectorAll("button[data-opens]")) {
    const input = field.querySelector(`input[name=${button.dataset.opens}]`);
    // Some phones cannot choose folders.
    button.hidden = button.dataset.opens === "folder" && !("webkitdirectory" in input);
    button.addEventListener("click", () => input.click(), { signal });
    input.addEventListener("change", () => take(input, onFiles), { signal });
  }
  const mark = (on) => field.classList.toggle("over", on);
  // Anywhere on the page: a hand with a folder on the pointer should not have to aim.
  document.addEventListener("dragover", () => mark(true), { signal });
  document.addEventListener("dragleave", (event) => event.relatedTarget || mark(false), { signal });
  document.addEventListener(
    "drop",
    async (event) => {
      mark(false);
      field.setAttribute("aria-busy", "true");
      try {
        onFiles(await dropped(event.dataTransfer));
      } finally {
        field.removeAttribute("aria-busy");
      }
    },
    { signal },
  );
  return end;
}

function take(input, onFiles) {
  const found = chosen(input);
  // So that choosing the same folder again is a change, too.
  input.value = "";
  onFiles(found);
}
