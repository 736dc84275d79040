import assert from "node:assert/strict";
import { test } from "node:test";

import { ApiError, GalleryApi } from "../../gallery/page/api.js";

/** @import { Session } from "../../gallery/page/session.js" */

test("a refusal of a former link, which comes after a fresh one was opened, is not taken for one of the fresh one", async (context) => {
  Object.assign(globalThis, { document: { baseURI: "https://photos.example/" } });
  const session = /** @type {Session} */ ({ galleryId: "wedding", token: "former" });
  /** @type {string[]} */
  const asked = [];
  context.mock.method(globalThis, "fetch", async (/** @type {URL} */ _, /** @type {{ headers: Record<string, string> }} */ { headers }) => {
    asked.push(headers.Authorization);
    const isFormer = headers.Authorization === "Bearer former";
    session.token = "fresh";
    return new Response(JSON.stringify(isFormer ? { code: "not_authenticated" } : { files: [] }), { status: isFormer ? 401 : 200 });
  });
  assert.deepEqual(await new GalleryApi(session).sign("u"), { files: [] });
  assert.deepEqual(asked, ["Bearer former", "Bearer fresh"]);
});

test("a refusal of the link in use is told, once", async (context) => {
  Object.assign(globalThis, { document: { baseURI: "https://photos.example/" } });
  const session = /** @type {Session} */ ({ galleryId: "wedding", token: "former" });
  const fetched = context.mock.method(globalThis, "fetch", async () => new Response("{}", { status: 401 }));
  await assert.rejects(new GalleryApi(session).sign("u"), { isLockedOut: true });
  assert.equal(fetched.mock.callCount(), 1);
});

/**
 * A call whose tries are answered one after the other: with JSON, or never (`null`); the last one again and again.
 * @param {import("node:test").TestContext} context
 * @param {unknown[]} answers
 * @param {(api: GalleryApi) => Promise<unknown>} call
 */
async function called(context, answers, call) {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  Object.assign(globalThis, { document: { baseURI: "https://photos.example/" } });
  let now = 0;
  context.mock.method(performance, "now", () => now);
  /** @type {number[]} */
  const tries = [];
  context.mock.method(globalThis, "fetch", (/** @type {URL} */ _, /** @type {{ signal: AbortSignal }} */ { signal }) => {
    const answer = answers[Math.min(tries.length, answers.length - 1)];
    tries.push(now);
    if (answer !== null) return Promise.resolve(new Response(JSON.stringify(answer)));
    return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
  });
  /** @type {string[]} */
  const said = [];
  const api = new GalleryApi(/** @type {Session} */ ({ galleryId: "wedding", token: "link" }), (isSlow) => said.push(`${isSlow ? "slow" : "fine"}`));
  /** @type {unknown} */
  let end;
  call(api).then(
    (answer) => (end = { answer }),
    (error) => (end = { error }),
  );
  while (!end) {
    for (let turn = 0; turn < 5; turn++) await new Promise(setImmediate);
    now += 1_000;
    context.mock.timers.tick(1_000);
  }
  return { .../** @type {{ answer?: unknown, error?: ApiError }} */ (end), tries, said };
}

for (const [name, call] of /** @type {[string, (api: GalleryApi) => Promise<unknown>][]} */ ([
  ["presign", (api) => api.presign([], "key")],
  ["compare", (api) => api.compare([])],
  ["decide", (api) => api.decide("u", { files: [] })],
  ["status", (api) => api.status("u")],
  ["images", (api) => api.images({})],
  ["restore", (api) => api.restore("i", "v", { expect: "f00d" })],
])) {
  test(`a call that is never answered ends as one without a connection: ${name}`, async (context) => {
    const { error, tries, said } = await called(context, [null], call);
    assert.equal(error?.status, 0);
    assert.ok(tries.length > 1, "it was tried again");
    assert.deepEqual(said, ["slow", "fine"]);
  });
}

test("a call that is answered by the second try is none the worse for the first", async (context) => {
  const { answer, said } = await called(context, [null, { upload_id: "u", files: [] }], (api) => api.presign([], "key"));
  assert.deepEqual(answer, { upload_id: "u", files: [] });
  assert.deepEqual(said, ["slow", "fine"]);
});

test("what something else than the API answers is no answer", async (context) => {
  for (const answer of [{}, [], "hello", { files: null }]) {
    const { error } = await called(context, [answer], (api) => api.sign("u"));
    assert.equal(error?.status, 0, JSON.stringify(answer));
    context.mock.reset();
    context.mock.timers.reset();
  }
});

test("the text of an exception is for the console only", (context) => {
  const logged = context.mock.method(console, "error", () => {});
  const error = ApiError.of(new TypeError("Cannot read properties of undefined"));
  assert.doesNotMatch(error.message, /undefined/);
  assert.equal(logged.mock.callCount(), 1);
});
