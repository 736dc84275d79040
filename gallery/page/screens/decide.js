/* Photographs that were not added, because others with their names had been added in the meantime: the same choice again. */

/**
 * @import { Choice, DecideRequest, EntryAnswer } from "../../api/schemas.ts"
 * @import { GalleryApi } from "../api.js"
 */

import { ApiError } from "../api.js";
import { Choices } from "../compare.js";
import { byId, notice } from "../dom.js";
import { allEntries } from "../entries.js";
import { whyNot } from "../refusals.js";
import { count, number } from "../words.js";
import { ChoiceList } from "./choice_list.js";

/** @type {Record<Choice, string>} */
const NOTES = {
  keep_both: "Yours is added with a number",
  replace: "Yours replaces the one in the gallery",
  skip: "Yours is not added",
};

const REFUSALS = { expired: "Ask for a new one and open it in this tab: you can choose again then.", refused: "The server does not accept this choice" };

/**
 * Ask what to do with all of an upload's entries that wait for a decision. Calls `onDecided` once the server knows, with
 * a note where somebody else has decided first. `files`: those that this tab still has, by name.
 * @param {{ api: GalleryApi, uploadId: string, files: Map<string, File>, signal: AbortSignal, onDecided: (note: string) => void }} given
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
  const [controls, button] = [byId("decide-list", HTMLFieldSetElement), byId("decide", HTMLButtonElement)];
  /** @param {boolean} is From the press of the button until its answer: what counts is what was on the screen. */
  const freeze = (is) => (controls.disabled = button.disabled = is);
  freeze(false);
  byId("decide-part").hidden = false;
  list.questions = entries.map(({ file_name: name, conflict }) => ({ name, file: files.get(name) ?? null, imageId: conflict?.image_id ?? null, sha256: conflict?.sha256 ?? null, isWaiting: false }));
  button.onclick = async () => {
    freeze(true);
    let note;
    try {
      note = await decide(api, uploadId, entries, choices);
    } catch (caught) {
      notice(byId("decide-problem"), whyNot(ApiError.of(caught), REFUSALS), "error");
      freeze(false);
      return;
    }
    if (signal.aborted) return;
    hideDecide();
    onDecided(note);
  };
}

/**
 * "" once it is decided; else what holds instead, because of somebody else's decision.
 * @type {(api: Pick<GalleryApi, "decide" | "entries">, uploadId: string, entries: EntryAnswer[], choices: Choices) => Promise<string>}
 */
export async function decide(api, uploadId, entries, choices) {
  try {
    await api.decide(uploadId, decisionOn(entries.map((one) => one.file_name), choices));
    return "";
  } catch (caught) {
    if (ApiError.of(caught).status !== 409) throw caught;
    return decidedInWords(entries, await allEntries(api, uploadId, {}));
  }
}

/** @type {(before: EntryAnswer[], now: EntryAnswer[]) => string} */
function decidedInWords(before, now) {
  const byNumber = new Map(now.map((one) => [one.number, one]));
  const found = { keep_both: 0, replace: 0, skip: 0 };
  for (const { number, file_name: name } of before) {
    const entry = byNumber.get(number);
    if (!entry || entry.reason === "would_replace") continue;
    if (entry.reason === "left_out") found.skip += 1;
    else if (entry.file_name !== name) found.keep_both += 1;
    else found.replace += 1;
  }
  const words = [];
  if (found.keep_both) words.push(`${number(found.keep_both)} to be kept under a name with a number`);
  if (found.replace) words.push(`${number(found.replace)} to replace the gallery's`);
  if (found.skip) words.push(`${number(found.skip)} skipped`);
  // The upload is being worked on again: what waits for a choice is asked about once it has ended.
  if (!words.length) return "The upload is being worked on again, so your choice was not used. You can choose again once that has ended.";
  return `Someone else has decided already: ${words.join(", ")}. Your choice was not used.`;
}

export function hideDecide() {
  byId("decide-part").hidden = true;
}

/** @type {(names: string[], choices: Choices) => DecideRequest} */
function decisionOn(names, choices) {
  return { files: names.map((name) => ({ file_name: name, choice: choices.of(name) })) };
}
