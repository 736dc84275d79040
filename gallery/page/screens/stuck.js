/* What could not be sent, why, and the two ways on: try again, or finish without it. */

/**
 * @import { Missing } from "../journal.js"
 * @import { Sender, Why } from "../sender.js"
 * @typedef {Missing & { why: "absent" | "changed" }} LeftOut
 */

import { byId } from "../dom.js";
import { showGroups } from "../groups.js";
import { count, number } from "../words.js";

/** @type {Record<Why | "absent", [title: string, advice: string]>} */
const STUCK = {
  changed: ["Changed since you chose it", "The file is another one now. Leave it out here, and send it afterwards."],
  unreadable: ["Cannot be read any more", "It was moved, changed, or its card was taken out. Put it back and try again."],
  refused: ["Storage refused it", "Try again. If that does not help, tell whoever runs the gallery."],
  storage: ["Storage did not answer", "Wait a moment and try again."],
  server: ["The gallery's server did not answer", "Wait a moment and try again."],
  absent: ["Not in the folder you chose", "Reload this page and choose the folder that has it, or leave it out."],
};

/**
 * `leftOut`: files that cannot be tried again from here.
 * @param {Sender} sender
 * @param {LeftOut[]} leftOut
 */
export function drawStuck({ files, counts, isSettled }, leftOut) {
  const stuck = counts.stuck ? files.filter((one) => one.state === "stuck") : [];
  const items = [...stuck, ...leftOut].flatMap(({ name, why }) => (why ? { name, title: STUCK[why][0], advice: STUCK[why][1] } : []));
  byId("leave-out").hidden = !isSettled;
  byId("leave-out").textContent = `Finish with the ${number(counts.sent)} that arrived`;
  byId("stuck").hidden = !items.length;
  // Drawn many times a second; made anew only when it has changed, so that what was opened stays open.
  const content = JSON.stringify(items.map((one) => [one.name, one.title]));
  if (byId("stuck").dataset.content === content) return;
  byId("stuck").dataset.content = content;
  byId("stuck-heading").textContent = `${count(items.length, "photograph")} could not be sent`;
  byId("retry-stuck").hidden = !stuck.length;
  showGroups(byId("stuck-groups"), items);
}
