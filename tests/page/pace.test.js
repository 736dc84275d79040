/** @import { TestContext } from "node:test" */

import assert from "node:assert/strict";
import { test } from "node:test";

import { backoff } from "../../gallery/page/backoff.js";
import { Pace } from "../../gallery/page/pace.js";

/** @param {TestContext} t */
function paceAt(t) {
  let now = 0;
  t.mock.method(performance, "now", () => now);
  const pace = new Pace();
  /** @type {(seconds: number, loaded: number, total: number) => number | null} */
  return (seconds, loaded, total) => {
    now = seconds * 1000;
    return pace.secondsFor(loaded, total);
  };
}

test("nobody can tell in the first seconds, nor while nothing moves", (t) => {
  const at = paceAt(t);
  assert.equal(at(0, 0, 100), null);
  assert.equal(at(3.9, 50, 100), null);
  assert.equal(paceAt(t)(60, 0, 100), null);
});

test("at an even pace, what is left takes as long as it should", (t) => {
  const at = paceAt(t);
  for (let second = 0; second < 10; second += 1) at(second, second * 10, 1000);
  assert.equal(at(10, 100, 1000), 90);
});

test("only the last half minute counts: a line that became ten times slower is noticed", (t) => {
  const at = paceAt(t);
  for (let second = 0; second <= 60; second += 1) at(second, second * 100, 10_000);
  for (let second = 61; second <= 95; second += 1) at(second, 6000 + (second - 60) * 10, 10_000);
  const left = at(96, 6360, 10_000);
  assert.ok(left !== null && Math.abs(left - 364) < 15, `${left}`);
});

test("bytes that come back, after a file's failure, give no time below zero", (t) => {
  const at = paceAt(t);
  at(0, 500, 1000);
  assert.equal(at(10, 100, 1000), null);
});

test("pauses double up to half a minute, with jitter", (t) => {
  for (const [jitter, share] of [[0, 0.5], [0.999999, 1]]) {
    t.mock.method(Math, "random", () => jitter);
    assert.deepEqual([1, 2, 3, 20].map((attempt) => Math.round(backoff(attempt))), [500, 1000, 2000, 30_000].map((most) => most * share));
  }
});
