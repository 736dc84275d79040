/* Why the server has not done what was asked for, in words for photographers. */

/** @import { ApiError } from "./api.js" */

/**
 * `expired`: what to do about an expired link; `refused`: what is said before the server's own words, where those are
 * for a photographer.
 * @type {(error: ApiError, words: { expired: string, refused: string }) => string}
 */
export function whyNot(error, { expired, refused }) {
  if (error.isLockedOut) return `This upload link has expired. ${expired}`;
  if (Number.isNaN(error.status)) return "Something unexpected happened on this page. Try again. If it happens again, reload the page.";
  if (error.status === 429 || error.status >= 500) return "The server is too busy or has a problem. Try again in a few minutes. If it happens again, tell whoever runs the gallery.";
  switch (error.status) {
    case 0:
      return "The server does not answer. Check your connection and try again.";
    case 404:
      return "The server no longer knows this gallery or upload: it was deleted, or the link is wrong. Ask for a new link and open it in this tab.";
    case 409:
      return "Someone else changed something at the same moment. Try again.";
    case 413:
      return "These are too many photographs to send together. Send them in several parts.";
    default:
      return `${refused}: ${error.message}.`;
  }
}
