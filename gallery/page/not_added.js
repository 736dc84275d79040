/* What was dropped where nothing takes it. This is said on every screen, until something is dropped or chosen again. */

import { byId, notice } from "./dom.js";

export const LATE = "What you dropped while this was being prepared was not added. Drop it again afterwards.";
const UNDER_WAY = "What you dropped was not added. To add it, press “Send more photographs” at the end of this upload and drop it again.";
const NOT_ASKED = "What you dropped was not added. Drop it again when this page asks for photographs.";

/**
 * "" takes the former words away.
 * @param {string} text
 */
export function tellNotAdded(text) {
  notice(byId("not-added"), text, "warning");
}

/** Tell of every drop that no screen takes; the one that does prevents the event's default. */
export function tellOfDrops() {
  addEventListener("dragover", (event) => event.preventDefault());
  addEventListener("drop", (event) => {
    if (event.defaultPrevented) return;
    // A file that is dropped would replace this page.
    event.preventDefault();
    if (event.dataTransfer?.types.includes("Files")) tellNotAdded(byId("sending").hidden && byId("watching").hidden ? NOT_ASKED : UNDER_WAY);
  });
  // A picture of this page, dragged a little, would count as a dropped file.
  addEventListener("dragstart", (event) => event.preventDefault());
}
