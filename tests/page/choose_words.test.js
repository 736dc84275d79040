import assert from "node:assert/strict";
import { test } from "node:test";

import { summaryOf } from "../../gallery/page/screens/choose_words.js";

/** @type {(send: number, others?: { there?: number, skipped?: number, waiting?: number }) => string} */
const summary = (send, { there = 0, skipped = 0, waiting = 0 } = {}) => summaryOf(Array(send).fill({ size: 1000 }), { there, skipped, waiting }).replace("\u00a0", " ");

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

test("where nothing is sent, the reason is told", () => {
  assert.equal(summary(0), "Nothing that can be sent");
  assert.equal(summary(0, { there: 1 }), "The photograph is in the gallery already");
  assert.equal(summary(0, { there: 2 }), "All 2 photographs are in the gallery already");
  assert.equal(summary(0, { there: 2, skipped: 1 }), "Nothing to send");
});
