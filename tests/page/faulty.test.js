import assert from "node:assert/strict";
import { test } from "node:test";

import { ApiError } from "../../gallery/page/api.js";
import { leavingOutFaulty } from "../../gallery/page/faulty.js";

const FILES = ["a.jpg", "b.mov", "c.jpg", "d.jpg"].map((name) => ({ name }));

/** @type {(...codes: [index: number, code: string][]) => ApiError} */
function refusal(...codes) {
  const error = new ApiError(422, codes[0]?.[1] ?? "invalid_request", "no");
  error.faulty = codes.map(([index, code]) => ({ index, file_name: FILES[index].name, code, message: `said of ${index}` }));
  return error;
}

test("faulty files are left out in one step, each with its reason, and the rest is asked for once more", async () => {
  /** @type {string[][]} */
  const asked = [];
  const { answer, files, leftOut } = await leavingOutFaulty(FILES, async (some) => {
    asked.push(some.map((one) => one.name));
    if (some.length === 4) throw refusal([1, "unsupported_type"], [3, "a_new_code"]);
    return "answer";
  });
  assert.equal(answer, "answer");
  assert.deepEqual(asked, [["a.jpg", "b.mov", "c.jpg", "d.jpg"], ["a.jpg", "c.jpg"]]);
  assert.deepEqual(files.map((one) => one.name), ["a.jpg", "c.jpg"]);
  assert.deepEqual(leftOut.map(({ name, title, detail }) => [name, title, detail]), [
    ["b.mov", "Unsupported kind of file", ""],
    ["d.jpg", "Not accepted", "said of 3"],
  ]);
});

for (const [what, error] of /** @type {[string, Error][]} */ ([
  ["names no file", refusal()],
  ["is of another kind", new Error("no")],
])) {
  test(`a refusal that ${what} is told, and nothing is asked again`, async (context) => {
    const ask = context.mock.fn(async () => Promise.reject(error));
    await assert.rejects(leavingOutFaulty(FILES, ask), error);
    assert.equal(ask.mock.callCount(), 1);
  });
}

test("where all files are faulty, all are left out, and nothing is asked again", async (context) => {
  const ask = context.mock.fn(async () => Promise.reject(refusal([0, "x"], [1, "x"], [2, "x"], [3, "x"])));
  const { answer, files, leftOut } = await leavingOutFaulty(FILES, ask);
  assert.deepEqual([answer, files.length, leftOut.map((one) => one.name)], [null, 0, ["a.jpg", "b.mov", "c.jpg", "d.jpg"]]);
  assert.equal(ask.mock.callCount(), 1);
});

test("a second refusal is told", async () => {
  await assert.rejects(leavingOutFaulty(FILES, async (some) => Promise.reject(refusal([some.length === 4 ? 1 : 0, "x"]))), { status: 422 });
});
