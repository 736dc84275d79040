import assert from "node:assert/strict";
import { test } from "node:test";

import { ApiError } from "../../gallery/page/api.js";
import { whyNot } from "../../gallery/page/refusals.js";
import { whyNotCompared, whyNotOpened } from "../../gallery/page/screens/choose_words.js";

const WORDS = { expired: "Ask for a new one.", refused: "The server does not accept this" };
/** @type {(status: number) => string} */
const told = (status) => whyNot(new ApiError(status, "code", "details of the server"), WORDS);

test("each refusal is told as what it is, and only a fault of the files in the server's own words", () => {
  const kinds = { 0: /connection/, 401: /expired. Ask for a new one./, 404: /Ask for a new link/, 409: /Someone else/, 413: /several parts/, 429: /busy/, 500: /busy/, 503: /busy/ };
  for (const [status, words] of Object.entries(kinds)) {
    assert.match(told(Number(status)), words);
    assert.doesNotMatch(told(Number(status)), /not accept|details/, status);
  }
  assert.equal(told(422), "The server does not accept this: details of the server.");
});

test("no photographer reads the text of an exception", (context) => {
  context.mock.method(console, "error", () => {});
  const mistake = new TypeError("Cannot read properties of undefined (reading 'map')");
  for (const words of [whyNotOpened(mistake), whyNotCompared(ApiError.of(mistake))]) assert.match(words, /^Something unexpected happened on this page/);
});
