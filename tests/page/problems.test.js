/**
 * @import { EntriesAnswer, EntryAnswer, Outcome, ProblemItem, StatusAnswer } from "../../gallery/api/schemas.ts"
 */

import assert from "node:assert/strict";
import { test } from "node:test";

import { Problems } from "../../gallery/page/problems.js";

const SHOWN = 100;
const PAGE = 500;

/** An upload of which some entries have these outcomes and reasons. */
class Upload {
  /** @type {string[]} */
  asked = [];

  /** @param {[count: number, outcome: Outcome, reason: string | null][]} given */
  constructor(...given) {
    this.all = given.flatMap(([count, outcome, reason]) => Array.from({ length: count }, () => ({ outcome, reason }))).map(
      /** @returns {EntryAnswer} */
      (one, index) => ({ ...one, number: index + 1, file_name: `${index + 1}.jpg`, size: 1, stage: "save", message: "", image_id: null, conflict: null, metadata: {} }),
    );
  }

  /** @type {(uploadId: string, query: Record<string, string>) => Promise<EntriesAnswer>} */
  async entries(_, { outcome, reason, cursor }) {
    this.asked.push(`${outcome ?? "any"} ${reason ?? "any"}`);
    const rest = this.all.filter((one) => one.number > Number(cursor ?? 0) && (!outcome || one.outcome === outcome) && (!reason || one.reason === reason));
    const page = rest.slice(0, PAGE);
    return { entries: page, next_cursor: rest.length > PAGE ? String(page[PAGE - 1].number) : null };
  }

  /** @returns {Pick<StatusAnswer, "counts" | "to_decide" | "problems">} */
  get status() {
    const counts = { saved: 0, replaced: 0, unchanged: 0, superseded: 0, rejected: 0, failed: 0, pending: 0 };
    for (const { outcome } of this.all) counts[outcome ?? "pending"] += 1;
    const problems = /** @type {ProblemItem[]} */ (this.all.filter((one) => one.outcome === "rejected" || one.outcome === "failed").slice(0, SHOWN));
    return { counts, to_decide: this.all.filter((one) => one.reason === "would_replace").length, problems };
  }
}

/** @type {(upload: Upload, isFinal?: boolean) => Promise<string>} */
async function told(upload, isFinal = true) {
  const { listed, open, skipped } = await new Problems(upload, "u").of(upload.status, isFinal);
  return `${open} open, of them ${listed.length} listed from ${listed[0]?.file_name ?? "none"}, ${skipped} skipped`;
}

test("what a status says in full is not asked for again", async () => {
  const upload = new Upload([3, "saved", null], [60, "rejected", "left_out"], [20, "rejected", "would_replace"], [20, "rejected", "truncated"]);
  assert.equal(await told(upload), "20 open, of them 20 listed from 84.jpg, 60 skipped");
  assert.deepEqual(upload.asked, []);
});

test("more than a status names is read from the entries: what cannot be used stands behind what was skipped", async () => {
  assert.equal(await told(new Upload([115, "rejected", "left_out"], [3, "rejected", "not_an_image"])), "3 open, of them 3 listed from 116.jpg, 115 skipped");
  assert.equal(await told(new Upload([101, "rejected", "would_replace"], [2, "rejected", "not_an_image"])), "2 open, of them 2 listed from 102.jpg, 0 skipped");
  assert.equal(await told(new Upload([1200, "rejected", "left_out"], [700, "failed", "internal_error"])), "700 open, of them 700 listed from 1201.jpg, 1200 skipped");
});

test("while an upload runs, only what was skipped is counted, once", async () => {
  const upload = new Upload([115, "rejected", "left_out"], [3, "rejected", "not_an_image"]);
  const problems = new Problems(upload, "u");
  for (let round = 0; round < 3; round++) {
    const { listed, open, skipped } = await problems.of(upload.status, false);
    assert.deepEqual([listed.length, open, skipped], [0, 3, 115]);
  }
  assert.deepEqual(upload.asked, ["any left_out"]);
});

test("what a later upload or a deletion has overtaken is named as well, at the end", async () => {
  const upload = new Upload([2, "saved", null], [5, "superseded", null]);
  assert.equal(await told(upload), "5 open, of them 5 listed from 3.jpg, 0 skipped");
  assert.equal(await told(upload, false), "0 open, of them 0 listed from none, 0 skipped");
});
