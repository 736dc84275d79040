import assert from "node:assert/strict";
import { test } from "node:test";

import { brokenRule, isGalleryId, isHidden } from "../../gallery/page/names.js";

test("gallery ids are lower case, with hyphens inside, up to 63 characters", () => {
  for (const good of ["a", "7", "summer-wedding", "a--b", "a".repeat(63)]) assert.ok(isGalleryId(good), good);
  for (const bad of ["", "-a", "a-", "A", "ä", "a b", "a_b", "a/b", "a\n", "a".repeat(64)]) assert.ok(!isGalleryId(bad), bad);
});

test("hidden files and litter of operating systems are told by name", () => {
  for (const hidden of [".DS_Store", "._IMG_1.jpg", "Thumbs.db", "__MACOSX", "@eaDir", "Icon\r"]) assert.ok(isHidden(hidden), hidden);
  for (const shown of ["IMG_1.jpg", "thumbs.jpg", "Icon", "a.b"]) assert.ok(!isHidden(shown), shown);
});

test("names as cameras and people write them keep every rule", () => {
  for (const name of ["IMG_0001.JPG", "card 1/IMG_1.jpg", "Käse+ü&%41.jpg", "😀.jpg", "a..b", "$x{y}", "a".repeat(255), "ä".repeat(127)]) {
    assert.equal(brokenRule(name), null, name);
  }
});

for (const [name, words] of [
  ["", "empty part"],
  ["/a.jpg", "empty part"],
  ["a//b.jpg", "empty part"],
  ["a/", "empty part"],
  [".", "empty part"],
  ["a/../b.jpg", "empty part"],
  ["a\\b.jpg", "backslash"],
  ["a\nb.jpg", "control character"],
  ["a\0.jpg", "control character"],
  ["a\u0085.jpg", "control character"],
  ["a\uFFFE.jpg", "control character"],
  ["a.jpg\uFFFF", "control character"],
  ["a.jpg ", "ends in a space"],
  ["a.jpg\u3000", "ends in a space"],
  ["a\u2028.jpg", "control character"],
  ["${filename}", "dollar sign"],
  ["\ud800.jpg", "no valid Unicode"],
  ["a".repeat(256), "255 bytes"],
  ["ä".repeat(128), "255 bytes"],
]) {
  test(`the rule that ${JSON.stringify(name.slice(0, 20))} (${name.length}) breaks is named: ${words}`, () => {
    assert.match(brokenRule(name) ?? "", new RegExp(words));
  });
}
