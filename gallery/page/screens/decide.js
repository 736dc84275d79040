/* Photographs that were not added, because others with their names had been added in the meantime: the same choice again. */

/**
 * @import { Choice, DecideRequest } from "../../api/schemas.ts"
 * @import { GalleryApi } from "../api.js"
 */

import { ApiError } from "../api.js";
import { Choices } from "../compare.js";
import { byId, notice } from "../dom.js";
import { allEntries } from "../entries.js";
import { count } from "../words.js";
import { ChoiceList } from "./choice_list.js";

/** @type {Record<Choice, string>} */
const NOTES = {
  keep_both: "Yours is added with a number",
  replace: "Yours replaces the one in the gallery",
  skip: "Yours is not added",
};

/**
 * Ask what to do with all of an upload's entries that wait for a decision. Calls `onDecided` once the server knows.
 * `files`: those that this tab still has, by name.
 * @param {{ api: GalleryApi, uploadId: string, files: Map<string, File>, signal: AbortSignal, onDecided: () => void }} given
 */
export async function askToDecide({ api, uploadId, files, signal, onDecided }) {
  const entries = await allEntries(api, uploadId, { outcome: "rejected", reason: "would_replace" });
  if (signal.aborted || !entries.length) return;
  const choices = new Choices();
  const names = entries.map((one) => one.file_name);
  const list = new ChoiceList(byId("decide-list"), { api, choices, note: (_, choice) => NOTES[choice ?? "keep_both"], onChange: () => {} });
  byId("decide-heading").textContent =
    `${count(names.length, "photograph")} ${names.length === 1 ? "was" : "were"} not added: someone else added ${names.length === 1 ? "another with the same name" : "others with the same names"} in the meantime`;
  notice(byId("decide-problem"), "");
  const button = byId("decide", HTMLButtonElement);
  button.disabled = false;
  byId("decide-part").hidden = false;
  list.questions = entries.map(({ file_name: name, conflict }) => ({ name, file: files.get(name) ?? null, imageId: conflict?.image_id ?? null, isWaiting: false }));
  button.onclick = async () => {
    button.disabled = true;
    try {
      await api.decide(uploadId, decisionOn(names, choices));
    } catch (caught) {
      const error = ApiError.of(caught);
      // 409: somebody else has decided, or the upload is under way again. Its status tells.
      if (error.status !== 409) {
        notice(byId("decide-problem"), whyNotDecided(error), "error");
        button.disabled = false;
        return;
      }
    }
    if (signal.aborted) return;
    hideDecide();
    onDecided();
  };
}

export function hideDecide() {
  byId("decide-part").hidden = true;
}

/** @type {(names: string[], choices: Choices) => DecideRequest} */
function decisionOn(names, choices) {
  return { files: names.map((name) => ({ file_name: name, choice: choices.of(name) })) };
}

/** @param {ApiError} error */
function whyNotDecided(error) {
  if (error.isLockedOut) return "This upload link has expired. Ask for a new one and open it in this tab: you can choose again then.";
  if (error.status === 0) return "The server does not answer. Check your connection and try again.";
  return `The server does not take this choice: ${error.message}.`;
}
