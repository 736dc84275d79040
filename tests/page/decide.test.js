/** @import { EntryAnswer, Outcome } from "../../gallery/api/schemas.ts" */

import assert from "node:assert/strict";
import { test } from "node:test";

import { ApiError } from "../../gallery/page/api.js";
import { Choices } from "../../gallery/page/compare.js";
import { decide } from "../../gallery/page/screens/decide.js";

/** @type {(number: number, outcome: Outcome | null, reason: string | null, file_name?: string) => EntryAnswer} */
const entry = (number, outcome, reason, file_name = `${number}.jpg`) => ({ number, file_name, outcome, reason, size: 1, stage: null, message: null, image_id: null, conflict: null, metadata: {} });
const WAITING = [1, 2, 3, 4].map((number) => entry(number, "rejected", "would_replace"));

/** @type {(now: EntryAnswer[], error?: ApiError) => Promise<string>} */
function note(now, error = new ApiError(409, "conflict", "1.jpg waits for no decision: it is replaced")) {
  const choices = new Choices();
  for (const { file_name } of WAITING) choices.set(file_name, "skip", null);
  return decide({ decide: async () => Promise.reject(error), entries: async () => ({ entries: now, next_cursor: null }) }, "u", WAITING, choices);
}

test("a choice that somebody else was faster with is told, with what holds now", async () => {
  const now = [entry(1, "replaced", null), entry(2, null, null, "2 (2).jpg"), entry(3, "rejected", "left_out"), entry(4, null, null)];
  assert.equal(
    await note(now),
    "Someone else has decided already: 1 to be kept under a name with a number, 2 to replace the gallery's, 1 skipped. Your choice was not used.",
  );
});

test("an upload that is worked on again is told as that", async () => {
  assert.match(await note(WAITING), /being worked on again.* You can choose again/);
});

test("any other refusal is for the caller to tell", async () => {
  await assert.rejects(note(WAITING, new ApiError(401, "", "")), { isLockedOut: true });
});
