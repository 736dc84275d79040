/** @import { StatusAnswer } from "../../gallery/api/schemas.ts" */

import assert from "node:assert/strict";
import { test } from "node:test";

import { ALL_SENT } from "../../gallery/page/journal.js";
import { nothingSent, verdict } from "../../gallery/page/verdict.js";

/** @type {(state: StatusAnswer["state"], counts: Partial<StatusAnswer["counts"]>, more?: { to_decide?: number, leftOut?: number, there?: number }) => string[]} */
function told(state, counts, { to_decide = 0, leftOut = 0, there = 0 } = {}) {
  const all = { saved: 0, replaced: 0, unchanged: 0, superseded: 0, rejected: 0, failed: 0, pending: 0, ...counts };
  const image_count = Object.values(all).reduce((sum, one) => sum + one, 0);
  const problems = Array.from({ length: leftOut }, () => ({ file_name: "a.jpg", outcome: /** @type {const} */ ("rejected"), stage: "save", reason: "left_out", message: "", metadata: {} }));
  return verdict({ state, counts: all, image_count, to_decide, problems }, { ...ALL_SENT, there });
}

test("what was there already counts as in the gallery", () => {
  assert.equal(told("completed", { saved: 3 }, { there: 9 })[0], "All 12 photographs are in the gallery");
  assert.equal(told("completed", { saved: 1 })[0], "The photograph is in the gallery");
  assert.equal(told("completed_with_rejects", { saved: 1, rejected: 1 }, { there: 9 })[0], "10 of 11 photographs are in the gallery");
});

test("what was not taken, what was skipped and what cannot be used are told apart", () => {
  assert.match(told("completed_with_rejects", { saved: 1, rejected: 2 }, { to_decide: 2 })[1], /not added, because they would have replaced photographs/);
  assert.match(told("completed_with_rejects", { saved: 1, rejected: 2 }, { leftOut: 2 })[1], /skipped, as you chose/);
  assert.match(told("completed_with_rejects", { saved: 1, rejected: 2 }, { to_decide: 1 })[1], /need your choice, and some cannot be used/);
  assert.match(told("completed_with_rejects", { saved: 1, rejected: 2 }, { leftOut: 1 })[1], /^The others cannot be used/);
});

test("where nothing had to be sent, the end says why", () => {
  assert.equal(nothingSent({ ...ALL_SENT, there: 1361 })[0], "All 1,361 photographs are in the gallery already");
  assert.equal(nothingSent({ ...ALL_SENT, there: 1 })[0], "The photograph is in the gallery already");
  assert.deepEqual(nothingSent({ ...ALL_SENT, skipped: 2 }), ["Nothing was sent", "2 photographs were skipped, as you chose. You may close this tab."]);
});

test("what was left out is told at the end, and it is not all then", () => {
  const leftOut = [{ name: "clip.MOV", title: "Video (.mov)", advice: "A gallery takes photographs only." }];
  const status = { state: /** @type {const} */ ("completed"), counts: { saved: 2, replaced: 0, unchanged: 0, superseded: 0, rejected: 0, failed: 0, pending: 0 }, image_count: 2, problems: [] };
  assert.deepEqual(verdict(status, { ...ALL_SENT, leftOut }), ["2 photographs are in the gallery", "1 file was left out; the reason is given below. You may close this tab."]);
  assert.deepEqual(nothingSent({ ...ALL_SENT, there: 1, leftOut }), [
    "1 photograph is in the gallery already",
    "Nothing had to be sent. 1 file was left out; the reason is given below. You may close this tab.",
  ]);
});
