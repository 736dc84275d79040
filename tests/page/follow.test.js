/**
 * @import { StatusAnswer } from "../../gallery/api/schemas.ts"
 * @import { GalleryApi } from "../../gallery/page/api.js"
 */

import assert from "node:assert/strict";
import { test } from "node:test";

import { ApiError } from "../../gallery/page/api.js";
import { follow } from "../../gallery/page/follow.js";

/**
 * What is told of the states that a server answers with, one after the other; the last one again and again.
 * @param {import("node:test").TestContext} context
 * @param {StatusAnswer["state"][]} states
 * @param {(told: string[]) => void} [onStatus]
 */
async function toldOf(context, states, onStatus = () => {}) {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  Object.assign(globalThis, { document: { hidden: false } });
  const end = new AbortController();
  let rounds = 0;
  const status = async () => {
    if (rounds === states.length) end.abort();
    return /** @type {StatusAnswer} */ ({ state: states[Math.min(rounds++, states.length - 1)], counts: {} });
  };
  /** @type {string[]} */
  const told = [];
  let isOver = false;
  const following = follow(/** @type {GalleryApi} */ (/** @type {unknown} */ ({ status })), "u", end.signal, {
    onStatus: async ({ state }) => {
      told.push(state);
      onStatus(told);
    },
    onTrouble: ({ message }) => told.push(message),
  }).then(() => (isOver = true));
  while (!isOver) {
    await new Promise(setImmediate);
    context.mock.timers.tick(10_000);
  }
  await following;
  return told;
}

test("an end that could not be told, since the server did not answer for its details, is told by the next round", async (context) => {
  const told = await toldOf(context, ["completed", "completed"], ({ length }) => {
    if (length === 1) throw new ApiError(0, "unreachable", "no line");
  });
  assert.deepEqual(told, ["completed", "no line", "completed"]);
});

test("an end that a retry may follow is told once, and what the retry brings as well", async (context) => {
  assert.deepEqual(await toldOf(context, ["running", "failed", "failed", "running", "completed"]), ["running", "failed", "running", "completed"]);
});
