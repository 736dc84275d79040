/* The upload page: log in where there is no upload link, then choose, send, watch. Each step is a section of index.html and a module of screens/. */

/**
 * @import { LimitsAnswer } from "../api/schemas.ts"
 * @import { Accepted, NothingToSend, Upload } from "./screens/send.js"
 */

import { ApiError, GalleryApi } from "./api.js";
import { announce, byId, notice } from "./dom.js";
import { Journal } from "./journal.js";
import { tellOfDrops } from "./not_added.js";
import { choose } from "./screens/choose.js";
import { login } from "./screens/login.js";
import { resume } from "./screens/resume.js";
import { send } from "./screens/send.js";
import { watch } from "./screens/watch.js";
import { Session } from "./session.js";

const session = new Session();
const api = new GalleryApi(session, (isSlow) => notice(byId("slow"), isSlow ? "The server has not answered yet. This page keeps trying." : "", "warning"));

// A new link opened over this page changes the fragment only: no reload, and nothing that is being sent is lost.
addEventListener("hashchange", () => {
  const token = Session.takeToken();
  if (!token) return;
  session.renew(token);
  if (document.body.dataset.started) dispatchEvent(new Event("link-renewed"));
  else begin();
});

tellOfDrops();

async function start() {
  notice(byId("trouble"), "");
  if (!session.isOpen) await login(session, api);
  document.body.dataset.started = "yes";
  byId("gallery").textContent = session.galleryId;
  document.title = `${session.galleryId} · Send photographs`;
  const journal = new Journal(session.galleryId);
  for (;;) {
    const limits = await api.limits();
    await watch({ api, journal, limits, upload: await uploadOnce(journal, limits) });
  }
}

/**
 * From the choice to the moment that all has arrived.
 * @type {(journal: Journal, limits: LimitsAnswer) => Promise<Upload | Accepted | NothingToSend>}
 */
async function uploadOnce(journal, limits) {
  const kept = journal.read();
  if (kept?.state === "accepted") return { uploadId: kept.uploadId, notSent: kept.notSent, isAccepted: true };
  const upload = (kept && (await resume({ api, journal, kept }))) || (await choose({ api, journal, limits }));
  if (upload.uploadId !== null && !upload.isAccepted) await send({ api, journal, upload });
  return upload;
}

function begin() {
  start().catch(giveUp);
}

/** @param {unknown} caught */
function giveUp(caught) {
  const error = ApiError.of(caught);
  delete document.body.dataset.started;
  const text = error.isLockedOut
    ? "This upload link has expired or is not valid. Ask for a new one and open it here: what has been sent already is kept."
    : `The gallery's server does not answer as it should (${error.message}). Reload this page to try again: nothing that was sent is lost.`;
  notice(byId("trouble"), text, "error");
  announce(text);
}

begin();
