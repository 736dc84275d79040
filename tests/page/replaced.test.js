/** @import { VersionAnswer } from "../../gallery/api/schemas.ts" */

import assert from "node:assert/strict";
import { test } from "node:test";

import { pairIn } from "../../gallery/page/screens/replaced.js";

/** @type {(upload_id: string, isKept?: boolean) => VersionAnswer} */
function version(upload_id, isKept = true) {
  const rendition = { url: "https://s3.example/thumb.jpg", width: 3, height: 2, bytes: 1, content_type: "image/jpeg" };
  return {
    version_id: `v-${upload_id}`, sha256: "", size: 1, width: 3, height: 2, upload_id, created_at: "", superseded_at: null,
    is_current: false, kept_until: null, renditions: isKept ? { thumb: rendition } : {},
  };
}

test("the version that an upload replaced is the one before its own", () => {
  const versions = ["newest", "mine", "former", "first"].map((upload) => version(upload));
  const pair = pairIn({ versions }, "mine");
  assert.deepEqual([pair?.now.version_id, pair?.former?.version_id], ["v-mine", "v-former"]);
});

test("there is no way back to a version whose files are gone, nor from one that is gone itself", () => {
  assert.equal(pairIn({ versions: [version("mine"), version("former", false)] }, "mine")?.former, null);
  assert.equal(pairIn({ versions: [version("mine")] }, "mine")?.former, null);
  assert.equal(pairIn({ versions: [version("other")] }, "mine"), null);
});

test("a version that was brought back is told from one that somebody has added since", () => {
  const [back, mine, former] = ["former", "mine", "former"].map((upload) => ({ ...version(upload), sha256: upload }));
  assert.equal(pairIn({ versions: [back, mine, former] }, "mine")?.isUndone, true);
  assert.equal(pairIn({ versions: [{ ...version("other"), sha256: "other" }, mine, former] }, "mine")?.isUndone, false);
  assert.equal(pairIn({ versions: [mine, former] }, "mine")?.isUndone, false);
});
