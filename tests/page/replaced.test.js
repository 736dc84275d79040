/** @import { VersionAnswer } from "../../gallery/api/schemas.ts" */

import assert from "node:assert/strict";
import { test } from "node:test";

import { pairIn } from "../../gallery/page/screens/replaced.js";

/**
 * The versions of an image, as the API lists them: each given as its upload and its content, from the first to the one
 * that is current.
 * @param {[upload: string, content: string][]} history
 * @returns {VersionAnswer[]}
 */
function versions(...history) {
  const rendition = { url: "https://s3.example/thumb.jpg", width: 3, height: 2, bytes: 1, content_type: "image/jpeg" };
  const listed = history.map(([upload_id, sha256], index) => {
    const is_current = index === history.length - 1;
    return {
      version_id: `v${index}`, sha256, size: 1, width: 3, height: 2, upload_id, created_at: `at ${index}`,
      superseded_at: is_current ? null : `at ${index + 1}`, is_current, kept_until: null, renditions: { thumb: rendition },
    };
  });
  return listed.reverse();
}
/** @type {(listed: VersionAnswer[], upload?: string) => string} */
function told(listed, upload = "mine") {
  const { standing, former, now } = pairIn({ versions: listed }, upload);
  return `${standing}: ${former?.version_id} → ${now?.version_id}`;
}

test("the version that an upload replaced is the one before its own", () => {
  assert.equal(told(versions(["first", "a"], ["former", "b"], ["mine", "c"])), "replaced: v1 → v2");
});

test("what somebody else has added since is not taken back", () => {
  assert.equal(told(versions(["former", "a"], ["mine", "b"], ["theirs", "c"])), "newer: v0 → v2");
});

test("a version that was brought back counts by its content: its upload's own version is the first one", () => {
  const undone = versions(["former", "a"], ["mine", "b"], ["theirs", "c"], ["mine", "b"]);
  assert.equal(told(undone), "replaced: v0 → v3");
  assert.equal(told(undone, "theirs"), "undone: v1 → v3");
  assert.equal(told(versions(["former", "a"], ["mine", "b"], ["former", "a"])), "undone: v0 → v2");
});

test("a version that is made again in other styles is still the upload's own", () => {
  assert.equal(told(versions(["former", "a"], ["mine", "b"], ["mine", "b"])), "replaced: v0 → v2");
});

test("there is no way back to a version whose files are gone", () => {
  const listed = versions(["former", "a"], ["mine", "b"]);
  listed[1].renditions = {};
  assert.equal(told(listed), "gone: v0 → v1");
});

test("an image that was deleted is told as that, and one that was added again since does not tell what was replaced", () => {
  assert.equal(told([]), "deleted: undefined → undefined");
  assert.equal(told(versions(["theirs", "a"])), "untold: undefined → v0");
  assert.equal(told(versions(["mine", "a"])), "untold: undefined → v0");
});
