/* Photographs whose name another one in the gallery has: old and new side by side, and a choice for each and for all. */

/**
 * @import { Choice } from "../../api/schemas.ts"
 * @import { GalleryApi } from "../api.js"
 * @import { Choices } from "../compare.js"
 * @import { LongList } from "../long_list.js"
 * @typedef {object} Question
 * @property {string} name
 * @property {File | null} file null where the tab no longer has it
 * @property {string | null} imageId of the gallery's photograph
 * @property {string | null} sha256 of what that shows
 * @property {boolean} isWaiting an upload under way has the name: there is nothing to replace yet
 */

import { el, find, findAll } from "../dom.js";
import { fillFrame, pictureOf, PIXELS, smallest } from "../pictures.js";
import { makePairList, partsOf } from "./pair_list.js";

/** @type {[choice: Choice, words: string][]} */
const WORDS = [
  ["keep_both", "Keep both"],
  ["replace", "Replace"],
  ["skip", "Skip"],
];
const CAPTION = "In the gallery";
let lists = 0;

export class ChoiceList {
  /** @type {Question[]} */
  #questions = [];

  /**
   * `note` says what a choice will do, under the photograph's name.
   * @param {HTMLElement} container
   * @param {{ api: GalleryApi, choices: Choices, note: (question: Question, choice: Choice | null) => string, onChange: () => void }} given
   */
  constructor(container, { api, choices, note, onChange }) {
    this.api = api;
    this.choices = choices;
    this.note = note;
    this.onChange = onChange;
    lists += 1;
    this.forAll = el("fieldset", { className: "filter" }, el("legend", {}, "For all of them"));
    for (const [choice, words] of WORDS) {
      const radio = el("input", { type: "radio", name: `choice-for-all-${lists}`, value: choice });
      radio.addEventListener("change", () => this.#changed(() => this.#chooseForAll(choice)));
      this.forAll.append(el("label", {}, radio, el("span", {}, words)));
    }
    const rows = el("div");
    container.replaceChildren(this.forAll, rows);
    /** @type {LongList<Question>} */
    this.list = makePairList(rows, {
      label: "Photographs with a name that is taken",
      captions: [CAPTION, "Yours"],
      makeControl: () => this.#makeSelect(),
      fill: (row, question) => this.#fill(row, question),
    });
  }

  /** @param {Question[]} questions */
  set questions(questions) {
    this.#questions = questions;
    this.#draw();
  }

  /**
   * For those that are listed now: what comes later has not been seen.
   * @param {Choice} choice
   */
  #chooseForAll(choice) {
    for (const { name, sha256, isWaiting } of this.#questions) {
      if (!isWaiting || choice !== "replace") this.choices.set(name, choice, sha256);
    }
  }

  /** @type {(question: Question, choice: Choice | "") => void} */
  #choose({ name, sha256 }, choice) {
    if (choice) this.choices.set(name, choice, sha256);
    else this.choices.forget(name);
  }

  /** @param {() => void} change */
  #changed(change) {
    change();
    this.#draw();
    this.onChange();
  }

  #draw() {
    const common = this.choices.common(this.#questions);
    for (const radio of findAll(this.forAll, "input", HTMLInputElement)) radio.checked = radio.value === common;
    this.forAll.hidden = this.#questions.length < 2;
    this.list.items = this.#questions;
  }

  #makeSelect() {
    const select = el("select");
    select.addEventListener("change", () => {
      const question = this.#questions.find((one) => one.name === select.name);
      if (question) this.#changed(() => this.#choose(question, /** @type {Choice | ""} */ (select.value)));
    });
    return select;
  }

  /** @type {(row: HTMLLIElement, question: Question) => void} */
  #fill(row, question) {
    const { name, file, imageId, sha256, isWaiting } = question;
    const parts = partsOf(row);
    const select = /** @type {HTMLSelectElement} */ (parts.control);
    const choice = this.choices.now(question);
    if (select.name !== name || row.dataset.waiting !== String(isWaiting)) {
      row.dataset.waiting = String(isWaiting);
      select.name = name;
      parts.name.textContent = parts.name.title = name;
      select.setAttribute("aria-label", `What to do with ${name}`);
      const words = isWaiting ? [["", "Wait"], ...WORDS.filter(([one]) => one !== "replace")] : WORDS;
      select.replaceChildren(...words.map(([value, text]) => el("option", { value }, text)));
    }
    const value = choice ?? "";
    if (select.value !== value) select.value = value;
    const changed = this.choices.isOutdated(name) ? "Changed in the gallery since you chose. " : "";
    parts.note.textContent = parts.note.title = changed + this.note(question, choice);
    find(parts.first, "figcaption", HTMLElement).textContent = imageId !== null ? CAPTION : isWaiting ? "In another upload" : "No longer in the gallery";
    fillFrame(parts.first, `${imageId} ${sha256}`, () => this.#galleryPicture(imageId));
    fillFrame(parts.second, `${name} ${file?.size} ${file?.lastModified}`, pictureOf(file));
  }

  /** @param {string | null} imageId */
  async #galleryPicture(imageId) {
    if (imageId === null) return null;
    const { renditions } = await this.api.image(imageId);
    return smallest(renditions, PIXELS)?.url ?? null;
  }
}
