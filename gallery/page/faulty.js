/* Files that the server does not take: one of them must not hold up the rest. */

/**
 * @import { FaultyFile } from "../api/schemas.ts"
 * @import { Item, Reason } from "./groups.js"
 */

import { ApiError } from "./api.js";

/** @type {Record<string, Reason>} */
const WORDS = {
  invalid_file_name: { title: "The name cannot be used", advice: "Rename the file or its folder and send it again." },
  duplicate_file_name: { title: "Twice the same name", advice: "Rename one of the two and send it again." },
  file_too_large: { title: "File too large", advice: "Export it smaller, for example as a JPEG of high quality, and send it again." },
  unsupported_type: { title: "Unsupported kind of file", advice: "Export it as JPEG, TIFF or PNG and send it again. RAW files have to be developed first." },
};
/** @type {Reason} */
const OTHER = { title: "Not accepted", advice: "Export it again as JPEG and send it again. If that does not help, tell whoever runs the gallery." };

/**
 * Ask the server for something about `files`. Where it refuses some, leave those out and ask once more; where it refuses
 * all, there is no answer.
 * @template {{ name: string, path?: string }} File
 * @template Answer
 * @param {File[]} files
 * @param {(files: File[]) => Promise<Answer>} ask
 * @returns {Promise<{ answer: Answer | null, files: File[], leftOut: Item[] }>} what was asked about in the end, and what was left out
 */
export async function leavingOutFaulty(files, ask) {
  try {
    return { answer: await ask(files), files, leftOut: [] };
  } catch (caught) {
    const faulty = new Map(ApiError.of(caught).faulty.map((one) => [one.index, one]));
    const rest = files.filter((_, index) => !faulty.has(index));
    if (rest.length === files.length) throw caught;
    const leftOut = files.flatMap(({ name, path = name }, index) => inWords(path, faulty.get(index)));
    return { answer: rest.length ? await ask(rest) : null, files: rest, leftOut };
  }
}

/** @type {(name: string, faulty: FaultyFile | undefined) => Item[]} */
function inWords(name, faulty) {
  if (!faulty) return [];
  const known = WORDS[faulty.code];
  return [{ name, ...(known ?? OTHER), detail: known ? "" : faulty.message }];
}
