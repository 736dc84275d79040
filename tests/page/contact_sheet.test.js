/**
 * @import { ImageAnswer, ImagesAnswer } from "../../gallery/api/schemas.ts"
 * @import { GalleryApi } from "../../gallery/page/api.js"
 */

import assert from "node:assert/strict";
import { test } from "node:test";

import { ContactSheet } from "../../gallery/page/contact_sheet.js";

const image = (/** @type {string} */ image_id, /** @type {string} */ upload_id) => /** @type {ImageAnswer} */ ({ image_id, upload_id, renditions: {} });

/** A gallery whose listings are answered by hand. */
class Gallery {
  /** @type {((answer: ImagesAnswer) => void)[]} */
  listings = [];

  images() {
    return new Promise((resolve) => this.listings.push(resolve));
  }

  /** @param {ImageAnswer[]} images */
  async answer(...images) {
    this.listings.pop()?.({ images, next_cursor: null });
    await new Promise(setImmediate);
  }
}

test("all who ask while the gallery is listed are answered by one more listing", async () => {
  const gallery = new Gallery();
  const list = /** @type {HTMLElement} */ (/** @type {unknown} */ ({ replaceChildren() {} }));
  const sheet = new ContactSheet(/** @type {GalleryApi} */ (/** @type {unknown} */ (gallery)), list);
  /** @type {(Record<string, string>)[]} */
  const heard = [];
  sheet.onListed = () => heard.push(Object.fromEntries(sheet.uploads ?? []));
  const first = sheet.refresh(true);
  await new Promise(setImmediate);
  const others = [sheet.refresh(true), sheet.refresh(true), sheet.refresh(true)];
  await gallery.answer(image("a", "mine"), image("b", "mine"));
  await first;
  assert.equal(gallery.listings.length, 1);
  await gallery.answer(image("a", "theirs"));
  await Promise.all(others);
  assert.equal(gallery.listings.length, 0);
  assert.deepEqual(heard, [{ a: "mine", b: "mine" }, { a: "theirs" }]);
});

test("a gallery that cannot be listed is listed by the next round", async () => {
  let rounds = 0;
  const api = { images: async () => (++rounds === 1 ? Promise.reject(new Error("no line")) : { images: [image("a", "mine")], next_cursor: null }) };
  const sheet = new ContactSheet(/** @type {GalleryApi} */ (/** @type {unknown} */ (api)), /** @type {HTMLElement} */ (/** @type {unknown} */ ({ replaceChildren() {} })));
  await sheet.refresh(true);
  assert.equal(sheet.uploads, null);
  await sheet.refresh(true);
  assert.deepEqual([...(sheet.uploads ?? [])], [["a", "mine"]]);
});
