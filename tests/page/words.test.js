import assert from "node:assert/strict";
import { test } from "node:test";

import { bytes, count, duration, extensionOf, number } from "../../gallery/page/words.js";

test("numbers have their thousands, and one is one", () => {
  assert.equal(number(1361), "1,361");
  assert.deepEqual([0, 1, 2, 1361].map((value) => count(value, "photograph")), ["0 photographs", "1 photograph", "2 photographs", "1,361 photographs"]);
  assert.equal(count(2, "entry", "entries"), "2 entries");
});

test("sizes are in powers of 1,000 and never show four digits", () => {
  const shown = [0, 1, 999, 1000, 9949, 9950, 999_499, 999_500, 3_400_000, 2e9, 5e15].map((value) => bytes(value).replace("\u00a0", " "));
  assert.deepEqual(shown, ["0 bytes", "1 byte", "999 bytes", "1.0 kB", "9.9 kB", "9.9 kB", "999 kB", "1.0 MB", "3.4 MB", "2.0 GB", "5000 TB"]);
});

test("durations are coarse", () => {
  assert.deepEqual([0, 49, 50, 100, 5000, 5400, 9000].map(duration), [
    "less than a minute",
    "less than a minute",
    "about 1 minute",
    "about 2 minutes",
    "about 83 minutes",
    "about 2 hours",
    "about 3 hours",
  ]);
});

test("an extension is what follows the last dot of the last part, in lower case", () => {
  assert.deepEqual(["a.JPG", "a.b.HeIc", "a", "x.y/a", "a.", ".jpg"].map(extensionOf), ["jpg", "heic", "", "", "", "jpg"]);
});
