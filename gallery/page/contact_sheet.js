/* The gallery's photographs as they are finished: small renditions, loaded when they come into view, their colour before. */

/**
 * @import { ImageAnswer, ImagesAnswer, RenditionAnswer } from "../api/schemas.ts"
 * @import { GalleryApi } from "./api.js"
 */

import { el, find } from "./dom.js";
import { smallest } from "./pictures.js";

const PAGE = "200";
const FIRST_GAP = 2_000;
const LONGEST_GAP = 20_000;
const SMALL = 240; // CSS pixels of a tile's longer side, twice over for sharp screens
const STALE_AFTER = 60_000;

export class ContactSheet {
  /** @type {Map<string, HTMLLIElement>} */
  #tiles = new Map();
  #gap = FIRST_GAP;
  #next = 0;
  /** @type {Promise<void> | null} */
  #running = null;
  /** @type {Promise<void> | null} */
  #waiting = null;
  #closed = false;
  /** @type {Map<string, string> | null} The upload that each image shows, as of the last whole listing. */
  uploads = null;
  /** Hears of each whole listing. */
  onListed = () => {};

  /**
   * @param {GalleryApi} api
   * @param {HTMLElement} list
   */
  constructor(api, list) {
    this.api = api;
    this.list = list;
    list.replaceChildren();
  }

  close() {
    this.#closed = true;
  }

  /**
   * List the gallery anew, not too often: signing thousands of addresses costs the server something. With `now`: once
   * more after the listing that is under way, for all who ask meanwhile.
   */
  refresh(now = false) {
    if (!now && (this.#running || performance.now() < this.#next)) return Promise.resolve();
    this.#waiting ??= Promise.resolve(this.#running).then(() => {
      this.#waiting = null;
      return (this.#running = this.#list());
    });
    return this.#waiting;
  }

  async #list() {
    await this.#load().catch(() => {}); // the next round tries again
    this.#running = null;
    this.#next = performance.now() + this.#gap;
    this.#gap = Math.min(LONGEST_GAP, this.#gap * 1.5);
  }

  async #load() {
    /** @type {string | null} */
    let cursor = null;
    /** @type {Map<string, string>} */
    const uploads = new Map();
    /** @type {HTMLLIElement | null} */
    let before = null;
    do {
      /** @type {ImagesAnswer} */
      const page = await this.api.images(cursor ? { order: "name", limit: PAGE, cursor } : { order: "name", limit: PAGE });
      if (this.#closed) return;
      for (const image of page.images) {
        uploads.set(image.image_id, image.upload_id);
        before = this.#place(image, before);
      }
      cursor = page.next_cursor;
    } while (cursor);
    this.#removeOthers(uploads);
    this.uploads = uploads;
    this.onListed();
  }

  /** @param {Map<string, string>} listed by image */
  #removeOthers(listed) {
    for (const [imageId, tile] of this.#tiles) {
      if (listed.has(imageId)) continue;
      tile.remove();
      this.#tiles.delete(imageId);
    }
  }

  /**
   * An image's tile, behind the one before it.
   * @param {ImageAnswer} image
   * @param {HTMLLIElement | null} before
   */
  #place(image, before) {
    let tile = this.#tiles.get(image.image_id);
    const rendition = smallest(image.renditions, SMALL);
    if (!tile && rendition) {
      tile = this.#makeTile(image);
      this.#tiles.set(image.image_id, tile);
    }
    if (!tile || !rendition) return before;
    if (before ? before.nextElementSibling !== tile : this.list.firstElementChild !== tile) {
      if (before) before.after(tile);
      else this.list.prepend(tile);
    }
    this.#offer(tile, image, rendition);
    return tile;
  }

  /**
   * Give the tile's picture an address: its first, one of a new version, or a fresh one where the former has expired.
   * @param {HTMLLIElement} tile
   * @param {ImageAnswer} image
   * @param {RenditionAnswer} rendition
   */
  #offer(tile, image, rendition) {
    const picture = find(tile, "img", HTMLImageElement);
    const version = rendition.url.split("?")[0];
    if (picture.dataset.version === version && !picture.dataset.stale) return;
    delete picture.dataset.stale;
    picture.dataset.version = version;
    picture.width = rendition.width;
    picture.height = rendition.height;
    // Rows of one height, every photograph whole: the sheet grows each by its proportions.
    tile.style.setProperty("--ratio", (rendition.width / rendition.height).toFixed(4));
    picture.style.backgroundColor = image.placeholder?.colour ?? "";
    picture.src = rendition.url;
  }

  /** @param {ImageAnswer} image */
  #makeTile(image) {
    const picture = el("img", { alt: image.file_name, title: image.file_name, loading: "lazy", decoding: "async" });
    picture.addEventListener("load", () => picture.classList.add("loaded"));
    picture.addEventListener("error", () => this.#stale(picture));
    return el("li", {}, picture);
  }

  /** @param {HTMLImageElement} picture */
  #stale(picture) {
    picture.dataset.stale = "yes";
    if (performance.now() > (this.refreshedAt ?? 0) + STALE_AFTER) {
      this.refreshedAt = performance.now();
      this.refresh(true);
    }
  }
}
