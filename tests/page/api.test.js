import assert from "node:assert/strict";
import { test } from "node:test";

import { GalleryApi } from "../../gallery/page/api.js";

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
