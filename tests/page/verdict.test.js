/** @import { StatusAnswer } from "../../gallery/api/schemas.ts" */

import assert from "node:assert/strict";
import { test } from "node:test";

import { ALL_SENT } from "../../gallery/page/journal.js";
import { nothingSent, verdict } from "../../gallery/page/verdict.js";

const NOTHING = { saved: 0, replaced: 0, unchanged: 0, superseded: 0, rejected: 0, failed: 0, pending: 0 };
/** @param {number} count */
const files = (count) => Array.from({ length: count }, (_, index) => ({ file_name: `${index}.jpg`, size: 1, sha256: "f00d" }));
/** @type {(state: StatusAnswer["state"], counts: Partial<StatusAnswer["counts"]>, more?: { to_decide?: number, skipped?: number, there?: number, gone?: number, unsure?: number, takenBack?: number }) => string[]} */
function told(state, counts, { to_decide = 0, there = 0, ...more } = {}) {
  const all = { ...NOTHING, ...counts };
  const image_count = Object.values(all).reduce((sum, one) => sum + one, 0);
  return verdict({ state, counts: all, image_count, to_decide }, { ...ALL_SENT, there: files(there) }, more);
}

test("what was there already counts as in the gallery", () => {
  assert.equal(told("completed", { saved: 3 }, { there: 9 })[0], "All 12 photographs are in the gallery");
  assert.equal(told("completed", { saved: 1 })[0], "The photograph is in the gallery");
  assert.equal(told("completed_with_rejects", { saved: 1, rejected: 1 }, { there: 9 })[0], "10 of 11 photographs are in the gallery");
});

test("what was there and is no longer does not count, and is told", () => {
  assert.deepEqual(told("completed", { saved: 1 }, { there: 3, gone: 3 }), [
    "1 of 4 photographs is in the gallery",
    "3 photographs that were in the gallery already are no longer there: send them again. You may close this tab.",
  ]);
});

test("what a later upload or a deletion has overtaken does not count, and is told", () => {
  assert.deepEqual(told("completed", { superseded: 5 }), [
    "0 of 5 photographs are in the gallery",
    "5 photographs were not added: a later upload or a deletion got there first. You may close this tab.",
  ]);
  assert.deepEqual(told("completed_with_rejects", { saved: 1, superseded: 1, rejected: 1 }, { skipped: 1 }), [
    "1 of 3 photographs is in the gallery",
    "1 photograph was not added: a later upload or a deletion got there first. The other one was skipped, as you chose. You may close this tab.",
  ]);
  assert.match(told("failed", { saved: 1, superseded: 1, failed: 1 })[1], /^1 photograph was not added: .* The other one was received/);
});

test("where another upload may replace what was there, that is told as not known yet", () => {
  assert.deepEqual(told("completed", { saved: 1 }, { there: 1, unsure: 1 }), [
    "1 of 2 photographs is in the gallery",
    "1 photograph was in the gallery already. Whether the gallery keeps it is not known yet: another upload is being worked on. This page checks again automatically. You may close this tab.",
  ]);
});

test("what was brought back, or replaced again, does not count as in the gallery", () => {
  assert.deepEqual(told("completed", { saved: 2, replaced: 1 }, { takenBack: 1 }), [
    "2 of 3 photographs are in the gallery",
    "1 photograph of yours is no longer shown: an earlier version was brought back, or someone has replaced or deleted it since. You may close this tab.",
  ]);
});

test("one is told as one", () => {
  assert.match(told("completed_with_rejects", { saved: 1, rejected: 1 }, { to_decide: 1 })[1], /^The other one was not added, because it would have replaced a photograph\. Choose below what to do with it\.$/);
  assert.match(told("completed_with_rejects", { rejected: 1 }, { to_decide: 1 })[1], /^It was not added/);
  assert.match(told("completed_with_rejects", { saved: 1, rejected: 1 }, { skipped: 1 })[1], /^The other one was skipped, as you chose\./);
  assert.match(told("completed_with_rejects", { saved: 1, rejected: 1 })[1], /^The other one cannot be used as it is; what to do about it stands below\./);
  assert.match(told("failed", { saved: 1, failed: 1 })[1], /^The other one was received, but could not be finished\. .* have it tried again; your photograph is kept meanwhile\.$/);
});

test("what was not taken, what was skipped and what cannot be used are told apart", () => {
  assert.match(told("completed_with_rejects", { saved: 1, rejected: 2 }, { to_decide: 2 })[1], /not added, because they would have replaced photographs/);
  assert.match(told("completed_with_rejects", { saved: 1, rejected: 2 }, { skipped: 2 })[1], /skipped, as you chose/);
  assert.match(told("completed_with_rejects", { saved: 1, rejected: 2 })[1], /^The others cannot be used/);
  assert.equal(
    told("completed_with_rejects", { saved: 1, rejected: 2 }, { to_decide: 1 })[1],
    "Some of the others need your choice, and some cannot be used as they are. See below.",
  );
  assert.equal(
    told("completed_with_rejects", { saved: 1, rejected: 3 }, { to_decide: 1, skipped: 1 })[1],
    "Some of the others need your choice, some were skipped, as you chose, and some cannot be used as they are. See below.",
  );
  assert.match(told("completed_with_rejects", { saved: 1, rejected: 2 }, { skipped: 1 })[1], /^Some of the others were skipped, as you chose, and some cannot be used/);
});

test("where nothing had to be sent, the end says why", () => {
  assert.equal(nothingSent({ ...ALL_SENT, there: files(1361) })[0], "All 1,361 photographs are in the gallery already");
  assert.equal(nothingSent({ ...ALL_SENT, there: files(1) })[0], "The photograph is in the gallery already");
  assert.deepEqual(nothingSent({ ...ALL_SENT, skipped: 2 }), ["Nothing was sent", "2 photographs were skipped, as you chose. You may close this tab."]);
});

test("what was left out is told at the end, and it is not all then", () => {
  const leftOut = [{ name: "clip.MOV", title: "Video (.mov)", advice: "A gallery takes photographs only." }];
  const status = { state: /** @type {const} */ ("completed"), counts: { ...NOTHING, saved: 2 }, image_count: 2 };
  assert.deepEqual(verdict(status, { ...ALL_SENT, leftOut }), ["2 photographs are in the gallery", "1 file was left out; the reason is given below. You may close this tab."]);
  assert.deepEqual(nothingSent({ ...ALL_SENT, there: files(1), leftOut }), [
    "1 photograph is in the gallery already",
    "Nothing had to be sent. 1 file was left out; the reason is given below. You may close this tab.",
  ]);
});
