/* The result of comparing with the gallery, on the choose screen. */

/** @import { Compared, Finding } from "../compare.js" */

import { byId, el } from "../dom.js";
import { showGroups } from "../groups.js";
import { count, number } from "../words.js";

/** @type {[finding: Finding, one: string, many: string][]} */
const WORDS = [
  ["add", "new", "new"],
  ["there", "is in the gallery already", "are in the gallery already"],
  ["elsewhere", "is in the gallery under another name", "are in the gallery under another name"],
  ["conflict", "has the same name as another photograph", "have the same names as other photographs"],
  ["unknown", "has a name that another upload is using", "have names that another upload is using"],
];

/** @param {Compared[]} compared */
export function drawFindings(compared) {
  const lines = WORDS.flatMap(([finding, one, many]) => {
    const found = compared.filter((file) => file.finding === finding).length;
    return found ? [el("li", { "data-finding": finding }, el("strong", {}, number(found)), ` ${found === 1 ? one : many}`)] : [];
  });
  const isAllNew = compared.every((one) => one.finding === "add");
  byId("findings").replaceChildren(...(isAllNew ? [] : lines));
  byId("findings").hidden = isAllNew;
}

/** @param {Compared[]} compared */
export function drawElsewhere(compared) {
  const elsewhere = compared.filter((one) => one.finding === "elsewhere");
  byId("elsewhere-part").hidden = !elsewhere.length;
  byId("elsewhere-heading").textContent =
    `${count(elsewhere.length, "photograph")} ${elsewhere.length === 1 ? "is" : "are"} in the gallery under another name`;
  const isOne = elsewhere.length === 1;
  byId("send-elsewhere-words").textContent = isOne ? "Send it anyway" : "Send them anyway";
  const twice = isOne ? "Sending it would put the same photograph" : "Sending them would put the same photographs";
  const reason = { title: "The same content", advice: `${twice} into the gallery twice.` };
  showGroups(byId("elsewhere"), elsewhere.map(({ file, answer }) => ({ name: file.name, ...reason, detail: `In the gallery as ${answer.same_content_as.join(", ")}` })));
}
