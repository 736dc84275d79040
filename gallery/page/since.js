/* What has become of an upload's photographs since: others may have replaced or deleted them, and an earlier version may
have been brought back. */

/**
 * @import { FileToCompare } from "../api/schemas.ts"
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
  /** How many replaced others, and are not shown any more. */
  takenBack = 0;
  /** @type {string[]} */
  #replaced = [];

  /**
   * `there`: files that were not sent, since they were in the gallery.
   * @param {{ api: Pick<GalleryApi, "compare" | "entries">, sheet: Pick<ContactSheet, "refresh" | "uploads">, uploadId: string, there: FileToCompare[] }} given
   */
  constructor({ api, sheet, uploadId, there }) {
    this.api = api;
    this.sheet = sheet;
    this.uploadId = uploadId;
    this.there = there;
  }

  /**
   * Look at all of them; `replaced`: how many photographs the upload has replaced.
   * @param {number} replaced
   */
  async look(replaced) {
    await this.lookAtThere(this.there);
    if (!replaced) return;
    const entries = await allEntries(this.api, this.uploadId, { outcome: "replaced" });
    this.#replaced = entries.flatMap((one) => one.image_id ?? []);
    await this.lookAtReplaced();
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

  async lookAtReplaced() {
    await this.sheet.refresh(true);
    const { uploads } = this.sheet;
    // Not known where the gallery could not be listed.
    this.takenBack = uploads ? this.#replaced.filter((imageId) => uploads.get(imageId) !== this.uploadId).length : 0;
  }
}
