import assert from "node:assert/strict";
import { test } from "node:test";

import { waitingInWords } from "../../gallery/page/waiting.js";

/**
 * @import { StatusAnswer } from "../../gallery/api/schemas.ts"
 * @type {(state: StatusAnswer["state"], waiting?: StatusAnswer["waiting"], done?: number) => string}
 */
function words(state, waiting = null, done = 0) {
  const counts = { saved: done, replaced: 0, unchanged: 0, superseded: 0, rejected: 0, failed: 0, pending: 5 - done };
  return waitingInWords({ state, waiting, counts, image_count: 5 });
}

test("an upload in the queue says how many are ahead of it", () => {
  assert.equal(words("accepted", { for: "place", uploads_before: 1 }), "Waiting: 1 upload is ahead of yours");
  assert.equal(words("accepted", { for: "place", uploads_before: 1234 }), "Waiting: 1,234 uploads are ahead of yours");
  assert.equal(words("accepted", { for: "place", uploads_before: 0 }), "Waiting for its turn");
});

test("whatever keeps all uploads waiting is a pause to a photographer, who reads nothing technical", () => {
  const paused = /** @type {const} */ (["restart", "prefect", "paused", "worker"]).map((why) => words("accepted", { for: why, uploads_before: 3 }));
  assert.equal(new Set(paused).size, 1);
  assert.match(paused[0], /^Processing is paused for now\. Your photographs are safe/);
});

test("an upload whose run is paused in its middle says so", () => {
  assert.match(words("running", { for: "paused", uploads_before: 0 }, 3), /^Processing is paused for now/);
});

test("an upload that is next is about to begin, and has then just begun", () => {
  assert.equal(words("accepted", { for: "start", uploads_before: 0 }), "About to begin");
  assert.equal(words("running"), "Just begun");
  assert.equal(words("running", null, 1), "");
});

test("a retry that waits says so as well, and an older server does not say what for", () => {
  assert.equal(words("accepted", { for: "place", uploads_before: 2 }, 4), "Waiting: 2 uploads are ahead of yours");
  assert.equal(words("accepted", undefined), "Waiting for its turn");
});
