/* What has become of an upload's photographs since: others may have replaced or deleted them, and an earlier version may
have been brought back. */

/**
 * @import { FileToCompare, StatusAnswer } from "../api/schemas.ts"
 * @import { GalleryApi } from "./api.js"
 * @import { ContactSheet } from "./contact_sheet.js"
 */

import { noLongerThere } from "./comparing.js";
import { allEntries } from "./entries.js";

export class Since {
  /** @type {FileToCompare[]} Not sent, since they were in the gallery, which no longer has them. */
  gone = [];
  /** @type {FileToCompare[]} Those of which that is not known before another upload has ended. */
  unsure = [];
  /** How many are not shown any more, of those that were new and of those that replaced others. */
  takenBack = { saved: 0, replaced: 0 };
  /** @type {string[]} */
  #replaced = [];

  /**
   * `there`: files that were not sent, since they were in the gallery; `counts`: what the upload has come to.
   * @param {{ api: Pick<GalleryApi, "compare" | "entries">, sheet: Pick<ContactSheet, "refresh" | "uploads">, uploadId: string, counts: Pick<StatusAnswer["counts"], "saved" | "replaced">, there: FileToCompare[] }} given
   */
  constructor({ api, sheet, uploadId, counts, there }) {
    this.api = api;
    this.sheet = sheet;
    this.uploadId = uploadId;
    this.counts = counts;
    this.there = there;
  }

  /** Look at what was not sent, and at what has replaced others; the sheet's next listing tells of the rest. */
  async look() {
    await this.lookAtThere(this.there);
    if (!this.counts.replaced) return;
    const entries = await allEntries(this.api, this.uploadId, { outcome: "replaced" });
    this.#replaced = entries.flatMap((one) => one.image_id ?? []);
    await this.sheet.refresh(true);
    this.lookAtSheet();
  }

  /**
   * Whether it is known of more of them now.
   * @param {FileToCompare[]} files
   */
  async lookAtThere(files) {
    const { gone, unsure } = await noLongerThere(files, this.api);
    this.gone.push(...gone);
    this.unsure = unsure;
    return unsure.length < files.length;
  }

  /** Whether the sheet's last listing tells something new. */
  lookAtSheet() {
    const { uploads } = this.sheet;
    // Not known where the gallery could not be listed.
    if (!uploads) return false;
    const shown = [...uploads.values()].filter((one) => one === this.uploadId).length;
    const replaced = this.#replaced.filter((imageId) => !this.shows(imageId)).length;
    const saved = Math.max(0, this.counts.saved + this.counts.replaced - shown - replaced);
    const isNew = saved !== this.takenBack.saved || replaced !== this.takenBack.replaced;
    this.takenBack = { saved, replaced };
    return isNew;
  }

  /**
   * Whether the gallery shows what the upload has brought for an image, as of the sheet's last listing.
   * @param {string} imageId
   */
  shows(imageId) {
    return this.sheet.uploads?.get(imageId) === this.uploadId;
  }
}
