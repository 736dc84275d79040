import assert from "node:assert/strict";
import { test } from "node:test";

import { conflictsInWords, summaryOf, underWayInWords } from "../../gallery/page/screens/choose_words.js";

/** @type {(send: number, others?: { there?: number, skipped?: number, waiting?: number, isHeld?: boolean }) => string} */
const summary = (send, { there = 0, skipped = 0, waiting = 0, isHeld = false } = {}) => summaryOf(Array(send).fill({ size: 1000 }), { there, skipped, waiting, isHeld }).replace("\u00a0", " ");

test("what is sent is counted and weighed", () => {
  assert.equal(summary(2), "2 photographs, 2.0 kB");
  assert.equal(summary(1, { there: 3 }), "1 photograph to send, 1.0 kB");
});

test("what waits for another upload counts as well", () => {
  assert.equal(summary(0, { waiting: 1 }), "1 photograph waits for another upload");
  assert.equal(summary(0, { waiting: 2, there: 1 }), "2 photographs wait for another upload");
  assert.equal(summary(1, { waiting: 1 }), "2 photographs, 1 of them waits");
  assert.equal(summary(3, { waiting: 2, skipped: 1 }), "5 photographs to send, 2 of them wait");
});

test("while all is held up by another upload, one number says how many are the reason, with their names", () => {
  assert.equal(summary(3, { waiting: 1, isHeld: true }), "4 photographs");
  assert.equal(summary(3, { isHeld: true }), "3 photographs, 3.0 kB");
  /** @param {string[]} names */
  const reason = (...names) => /\. (\d.*?)\. This/.exec(underWayInWords(names))?.[1];
  assert.equal(reason("a"), "1 of your photographs may be among it: a");
  assert.equal(reason("a", "b"), "2 of your photographs may be among it: a and b");
  assert.equal(reason("a", "b", "c", "d"), "4 of your photographs may be among it: a, b, c and d");
  assert.equal(reason("a", "b", "c", "d", "e"), "5 of your photographs may be among it: a, b, c and 2 more");
});

test("a name that another upload has is told as that", () => {
  assert.equal(conflictsInWords(1, 0), "1 photograph has a name that is already in use");
  assert.equal(conflictsInWords(3, 0), "3 photographs have names that are already in use");
  assert.equal(conflictsInWords(1, 1), "1 photograph has a name that another upload is using");
  assert.equal(conflictsInWords(2, 2), "2 photographs have names that another upload is using");
  assert.equal(conflictsInWords(3, 1), "3 photographs have names that are already in use, 1 of them by another upload");
});

test("where nothing is sent, the reason is told", () => {
  assert.equal(summary(0), "Nothing that can be sent");
  assert.equal(summary(0, { there: 1 }), "The photograph is in the gallery already");
  assert.equal(summary(0, { there: 2 }), "All 2 photographs are in the gallery already");
  assert.equal(summary(0, { there: 2, skipped: 1 }), "Nothing to send");
});
