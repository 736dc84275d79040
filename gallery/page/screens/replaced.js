/* Photographs that replaced an earlier version: both side by side, and the way back while the earlier one is kept. */

/**
 * @import { VersionAnswer, VersionsAnswer } from "../../api/schemas.ts"
 * @import { GalleryApi } from "../api.js"
 * @import { LongList } from "../long_list.js"
 * @typedef {{ now: VersionAnswer, former: VersionAnswer | null, isUndone: boolean }} Pair `former`: null where its files
 * are gone; `isUndone`: the gallery shows its content again
 * @typedef {{ name: string, imageId: string, pair: Promise<Pair | null> | null, note: string, isBusy: boolean, isDone: boolean }} Replaced
 * `isDone`: it was brought back, or cannot be.
 */

import { ApiError } from "../api.js";
import { announce, byId, el } from "../dom.js";
import { allEntries } from "../entries.js";
import { fillFrame, PIXELS, smallest } from "../pictures.js";
import { count } from "../words.js";
import { makePairList, partsOf } from "./pair_list.js";

const GONE = "The earlier version is no longer kept";
const NEWER = "The gallery has a newer version";
const BACK = "The earlier version is back in the gallery";

/**
 * Offer to see and to undo what an upload has replaced. Calls `onRestored` after each that was brought back.
 * @param {{ api: GalleryApi, uploadId: string, replaced: number, signal: AbortSignal, onRestored: () => void }} given
 */
export function offerReplaced({ api, uploadId, replaced, signal, onRestored }) {
  byId("replaced-heading").textContent = `${count(replaced, "photograph")} replaced an earlier version`;
  byId("replaced-text").textContent = "The earlier versions are kept for a while, and can be brought back.";
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
      const items = entries.flatMap(({ file_name: name, image_id: imageId }) => (imageId ? [/** @type {Replaced} */ ({ name, imageId, pair: null, note: "", isBusy: false, isDone: false })] : []));
      new ReplacedList(api, uploadId, items, onRestored);
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
   * @param {() => void} onRestored
   */
  constructor(api, uploadId, items, onRestored) {
    this.api = api;
    this.uploadId = uploadId;
    this.onRestored = onRestored;
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
      fillFrame(first, `${item.imageId} before`, async () => address((await this.#pairOf(item))?.former));
      fillFrame(second, `${item.imageId} now`, async () => address((await this.#pairOf(item))?.now));
    }
    note.textContent = note.title = item.note;
    control.hidden = item.isDone;
    /** @type {HTMLButtonElement} */ (control).disabled = item.isBusy;
  }

  /**
   * This upload's version and the one before it. Where there is no way back, the row says why.
   * @param {Replaced} item
   */
  #pairOf(item) {
    item.pair ??= this.api.versions(item.imageId).then(
      (answer) => {
        const pair = pairIn(answer, this.uploadId);
        if (!pair?.now.is_current) this.#change(item, { isDone: true, note: pair?.isUndone ? BACK : NEWER });
        else if (!pair.former) this.#change(item, { isDone: true, note: GONE });
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
      const pair = await this.#pairOf(item);
      if (item.isDone || !pair?.former) return;
      await this.api.restore(item.imageId, pair.former.version_id, { expect: pair.now.sha256 });
      this.#change(item, { isDone: true, note: BACK });
      this.onRestored();
    } catch (caught) {
      const { status, code } = ApiError.of(caught);
      const isGone = status === 409 || status === 404;
      const why = code === "changed_meanwhile" ? NEWER : GONE;
      this.#change(item, { isDone: isGone, note: isGone ? why : "The server does not answer. Try again." });
    } finally {
      this.#change(item, { isBusy: false });
      // The button that had the focus is gone.
      if (item.isDone) this.list.scroller.focus({ preventScroll: true });
      announce(`${item.name}: ${item.note}.`);
    }
  }

  /** @type {(item: Replaced, change: Partial<Replaced>) => void} */
  #change(item, change) {
    Object.assign(item, change);
    this.list.draw();
  }
}

/**
 * An upload's version of an image with the one that it replaced; null where the image no longer has it.
 * @type {(answer: VersionsAnswer, uploadId: string) => Pair | null}
 */
export function pairIn({ versions }, uploadId) {
  const at = versions.findIndex((one) => one.upload_id === uploadId);
  if (at < 0) return null;
  const former = versions.at(at + 1);
  const isUndone = at > 0 && versions[0].sha256 === former?.sha256;
  return { now: versions[at], former: former && Object.keys(former.renditions).length ? former : null, isUndone };
}

/** @param {VersionAnswer | null | undefined} version */
function address(version) {
  return (version && smallest(version.renditions, PIXELS)?.url) ?? null;
}
