/* Going on with an upload that a reload, a crash or an evening interrupted: the same folder, only what is missing. */

/**
 * @import { PresignAnswer } from "../../api/schemas.ts"
 * @import { GalleryApi } from "../api.js"
 * @import { Journal, Kept } from "../journal.js"
 * @import { Accepted, Upload } from "./send.js"
 */

import { ApiError } from "../api.js";
import { announce, byId, notice, show } from "../dom.js";
import { fitting, match } from "../journal.js";
import { tellNotAdded } from "../not_added.js";
import { named } from "../pick.js";
import { bytes, count, number } from "../words.js";
import { listen } from "./folder_field.js";

/**
 * Resolves to an upload as `choose` gives it, with what is `absent` or `changed`; to null to begin afresh.
 * @param {{ api: GalleryApi, journal: Journal, kept: Kept }} given
 * @returns {Promise<Upload | Accepted | null>}
 */
export async function resume({ api, journal, kept }) {
  let signed;
  try {
    signed = await api.sign(kept.uploadId);
  } catch (caught) {
    const { status } = ApiError.of(caught);
    // It was completed meanwhile, since everything had arrived; or it has expired, which its status tells.
    if (status === 409) return { uploadId: kept.uploadId, notSent: kept.notSent, isAccepted: true };
    if (status !== 404) throw caught;
    journal.forget();
    return null;
  }
  const missing = new Set(signed.files.map((one) => one.file_name));
  if (!missing.size) return { uploadId: kept.uploadId, signed, notSent: kept.notSent, ...match(kept.files, missing, []) };
  return askForFolder(kept, signed, missing, journal);
}

/** @type {(kept: Kept, signed: PresignAnswer, missing: Set<string>, journal: Journal) => Promise<Upload | null>} */
function askForFolder(kept, signed, missing, journal) {
  const size = kept.files.filter((one) => missing.has(one.name)).reduce((sum, one) => sum + one.size, 0);
  byId("resume-text").textContent =
    `${number(kept.files.length - missing.size)} of ${count(kept.files.length, "photograph")} have arrived. ` +
    `Choose the same folder again, and only the other ${number(missing.size)} (${bytes(size)}) are sent.`;
  notice(byId("resume-problem"), "");
  show("resume");
  return new Promise((resolve) => {
    const stopListening = listen(byId("resume-field"), async (found) => {
      tellNotAdded("");
      const matched = match(kept.files, missing, fitting(kept.files, missing, named((await found).files)));
      if (matched.files.some((one) => one.file)) {
        stopListening.abort();
        resolve({ uploadId: kept.uploadId, signed, notSent: kept.notSent, ...matched });
        return;
      }
      const text = "None of the missing photographs is in there. Choose the folder that you chose the first time.";
      notice(byId("resume-problem"), text, "error");
      announce(text);
    });
    byId("afresh").onclick = () => {
      stopListening.abort();
      journal.forget();
      resolve(null);
    };
  });
}
