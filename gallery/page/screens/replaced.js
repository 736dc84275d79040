/* Photographs that replaced an earlier version: both side by side, and the way back while the earlier one is kept. */

/**
 * @import { VersionAnswer, VersionsAnswer } from "../../api/schemas.ts"
 * @import { GalleryApi } from "../api.js"
 * @import { LongList } from "../long_list.js"
 * @typedef {"replaced" | "gone" | "undone" | "newer" | "deleted" | "untold"} Standing
 * `replaced`: the gallery shows what the upload brought, and the way back is open; `gone`: the files of the version before
 * are deleted; `undone`: the gallery shows that version again; `newer`: it shows another one; `deleted`: it no longer has
 * the image; `untold`: the versions do not tell what the upload replaced
 * @typedef {{ standing: Standing, former: VersionAnswer | null, now: VersionAnswer | null }} Pair
 * `former`: the version that an upload replaced; `now`: the one that the gallery shows
 * @typedef {{ name: string, imageId: string, pair: Promise<Pair> | null, note: string, isBusy: boolean, isDone: boolean, looks: number }} Replaced
 * `isDone`: it was brought back, or cannot be; `looks`: how often the gallery was asked again what it shows.
 */

import { ApiError } from "../api.js";
import { announce, byId, el } from "../dom.js";
import { allEntries } from "../entries.js";
import { fillFrame, PIXELS, smallest } from "../pictures.js";
import { count } from "../words.js";
import { makePairList, partsOf } from "./pair_list.js";

/** @type {Record<Standing, string>} */
const NOTES = {
  replaced: "",
  gone: "The earlier version is no longer kept",
  undone: "The earlier version is back in the gallery",
  newer: "The gallery has a newer version",
  deleted: "No longer in the gallery",
  untold: "It can no longer be told which version this one replaced",
};

/** @type {Set<Standing>} */
const OTHERS = new Set(["undone", "newer", "deleted"]);

/**
 * Offer to see and to undo what an upload has replaced. `onNews` hears of each image that shows something
 * else, or is gone.
 * @param {{ api: GalleryApi, uploadId: string, replaced: number, signal: AbortSignal, onNews: (imageId: string) => void }} given
 */
export function offerReplaced({ api, uploadId, replaced, signal, onNews }) {
  byId("replaced-heading").textContent = `${count(replaced, "photograph")} replaced an earlier version`;
  byId("replaced-text").textContent = "Earlier versions are kept for a while. As long as they are, they can be brought back here.";
  byId("replaced-list").replaceChildren();
  byId("replaced-part").hidden = false;
  const button = byId("show-replaced", HTMLButtonElement);
  button.hidden = button.disabled = false;
  button.onclick = async () => {
    button.disabled = true;
    try {
      const entries = await allEntries(api, uploadId, { outcome: "replaced" });
      if (signal.aborted) return;
      button.hidden = true;
      const items = entries.flatMap(({ file_name: name, image_id: imageId }) => (imageId ? [/** @type {Replaced} */ ({ name, imageId, pair: null, note: "", isBusy: false, isDone: false, looks: 0 })] : []));
      new ReplacedList(api, uploadId, items, onNews);
    } catch {
      byId("replaced-text").textContent = "The server does not answer. Try again.";
      button.disabled = false;
    }
  };
}

export function hideReplaced() {
  byId("replaced-part").hidden = true;
}

class ReplacedList {
  /** @type {WeakMap<HTMLElement, Replaced>} What each button brings back. */
  #shown = new WeakMap();

  /**
   * @param {GalleryApi} api
   * @param {string} uploadId
   * @param {Replaced[]} items
   * @param {(imageId: string) => void} onNews
   */
  constructor(api, uploadId, items, onNews) {
    this.api = api;
    this.uploadId = uploadId;
    this.onNews = onNews;
    /** @type {LongList<Replaced>} */
    this.list = makePairList(byId("replaced-list"), {
      label: "Photographs that replaced an earlier version",
      captions: ["Before", "Now"],
      makeControl: () => this.#makeButton(),
      fill: (row, item) => this.#fill(row, item),
    });
    this.list.items = items;
    this.list.scroller.focus();
  }

  #makeButton() {
    const button = el("button", { type: "button" }, "Bring back the earlier version");
    button.onclick = () => {
      const item = this.#shown.get(button);
      if (item) this.#restore(item);
    };
    return button;
  }

  /** @type {(row: HTMLLIElement, item: Replaced) => void} */
  #fill(row, item) {
    const { first, second, name, note, control } = partsOf(row);
    if (this.#shown.get(control) !== item) {
      this.#shown.set(control, item);
      name.textContent = name.title = item.name;
      control.setAttribute("aria-label", `Bring back the earlier version of ${item.name}`);
      fillFrame(first, `${item.imageId} before`, async () => address((await this.#pairOf(item)).former));
    }
    fillFrame(second, `${item.imageId} now ${item.looks}`, async () => address((await this.#pairOf(item)).now));
    note.textContent = note.title = item.note;
    control.hidden = item.isDone;
    /** @type {HTMLButtonElement} */ (control).disabled = item.isBusy;
  }

  /**
   * What the upload replaced and what the gallery shows. Where there is no way back, the row says why.
   * @param {Replaced} item
   */
  #pairOf(item) {
    item.pair ??= this.api.versions(item.imageId).then(
      (answer) => {
        const pair = pairIn(answer, this.uploadId);
        this.#change(item, { isDone: pair.standing !== "replaced", note: NOTES[pair.standing] });
        if (OTHERS.has(pair.standing)) this.onNews(item.imageId);
        return pair;
      },
      (error) => {
        item.pair = null;
        throw error;
      },
    );
    return item.pair;
  }

  /** @param {Replaced} item */
  async #restore(item) {
    this.#change(item, { isBusy: true, note: "Bringing back the earlier version …" });
    try {
      const { standing, former, now } = await this.#pairOf(item);
      if (standing === "replaced" && former && now) await this.#bringBack(item, former, now);
    } catch {
      this.#change(item, { note: "The server does not answer. Try again." });
    } finally {
      this.#change(item, { isBusy: false });
      // The button that had the focus is gone.
      if (item.isDone) this.list.scroller.focus({ preventScroll: true });
      announce(`${item.name}: ${item.note}.`);
    }
  }

  /** @type {(item: Replaced, former: VersionAnswer, now: VersionAnswer) => Promise<void>} */
  async #bringBack(item, former, now) {
    try {
      await this.api.restore(item.imageId, former.version_id, { expect: now.sha256 });
      this.#change(item, { isDone: true, note: NOTES.undone, pair: null, looks: item.looks + 1 });
      this.onNews(item.imageId);
    } catch (caught) {
      const { status } = ApiError.of(caught);
      if (status !== 409 && status !== 404) throw caught;
      // The gallery has changed since: it says how.
      this.#change(item, { pair: null, looks: item.looks + 1 });
      const { standing } = await this.#pairOf(item);
      if (standing === "replaced") this.#change(item, { isDone: true, note: NOTES.gone });
    }
  }

  /** @type {(item: Replaced, change: Partial<Replaced>) => void} */
  #change(item, change) {
    Object.assign(item, change);
    this.list.draw();
  }
}

/**
 * The version that an upload replaced, and what has become of it. A version that is brought back has the upload of the
 * first time: the upload's own one is the earliest that has it, and the replaced one ended at its very moment.
 * @type {(answer: VersionsAnswer, uploadId: string) => Pair}
 */
export function pairIn({ versions }, uploadId) {
  const now = versions.find((one) => one.is_current) ?? null;
  if (!now) return { standing: "deleted", former: null, now };
  const own = versions.filter((one) => one.upload_id === uploadId).at(-1) ?? null;
  const former = (own && versions.find((one) => one.superseded_at === own.created_at)) ?? null;
  return { standing: standingOf(own, former, now), former, now };
}

/** @type {(own: VersionAnswer | null, former: VersionAnswer | null, now: VersionAnswer) => Standing} */
function standingOf(own, former, now) {
  if (!own || !former) return "untold";
  // By content: a version that is brought back, or made again in other styles, is a new one.
  if (now.sha256 === former.sha256) return "undone";
  if (now.sha256 !== own.sha256) return "newer";
  return Object.keys(former.renditions).length ? "replaced" : "gone";
}

/** @param {VersionAnswer | null | undefined} version */
function address(version) {
  return (version && smallest(version.renditions, PIXELS)?.url) ?? null;
}
