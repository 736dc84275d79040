/* Asks for gallery and key where the page was opened without an upload link. */

/**
 * @import { GalleryApi } from "../api.js"
 * @import { Session } from "../session.js"
 */

import { ApiError } from "../api.js";
import { byId, find, notice, show } from "../dom.js";
import { isGalleryId } from "../names.js";

/**
 * Resolves once a key is there that the API takes.
 * @param {Session} session
 * @param {GalleryApi} api
 * @returns {Promise<void>}
 */
export function login(session, api) {
  const [form, problem] = [byId("login-form"), byId("login-problem")];
  const [gallery, key] = [find(form, "[name=gallery]", HTMLInputElement), find(form, "[name=key]", HTMLInputElement)];
  gallery.value = session.galleryId;
  show("login");
  return new Promise((resolve) => {
    form.onsubmit = async (event) => {
      event.preventDefault();
      const galleryId = gallery.value.trim();
      if (!isGalleryId(galleryId)) {
        notice(problem, "A gallery's name has lower-case letters, digits and hyphens only, like summer-wedding.", "error");
        gallery.focus();
        return;
      }
      session.open(galleryId, key.value.trim());
      if (await opens(api, problem)) resolve();
      else key.focus();
    };
  });
}

/** @type {(api: GalleryApi, problem: HTMLElement) => Promise<boolean>} */
async function opens(api, problem) {
  try {
    await api.images({ limit: "1" });
  } catch (caught) {
    const error = ApiError.of(caught);
    // The API does not know a gallery before its first upload. The key is accepted all the same.
    if (error.status === 404) return true;
    const wrong = "This key is not accepted. Check that it was copied whole.";
    notice(problem, error.isLockedOut ? wrong : `The server does not answer as it should: ${error.message}.`, "error");
    return false;
  }
  return true;
}
