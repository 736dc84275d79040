/* Asks for gallery and key where the page was opened without an upload link. */

import { byId, notice, show } from "../dom.js";
import { isGalleryId } from "../names.js";

/** Resolves once a key is there that the API takes. */
export function login(session, api) {
  const [form, problem] = [byId("login-form"), byId("login-problem")];
  form.elements.gallery.value = session.galleryId;
  show("login");
  return new Promise((resolve) => {
    form.onsubmit = async (event) => {
      event.preventDefault();
      const galleryId = form.elements.gallery.value.trim();
      if (!isGalleryId(galleryId)) {
        notice(problem, "A gallery's name has lower-case letters, digits and hyphens only, like summer-wedding.", "error");
        form.elements.gallery.focus();
        return;
      }
      session.open(galleryId, form.elements.key.value.trim());
      if (await opens(api, problem)) resolve();
      else form.elements.key.focus();
    };
  });
}

async function opens(api, problem) {
  try {
    await api.images({ limit: 1 });
  } catch (error) {
    // The API does not know a gallery before its first upload. The key is accepted all the same.
    if (error.status === 404) return true;
    const wrong = "This key is not accepted. Check that it was copied whole.";
    notice(problem, error.isLockedOut ? wrong : `The server does not answer as it should: ${error.message}.`, "error");
    return false;
  }
  return true;
}
