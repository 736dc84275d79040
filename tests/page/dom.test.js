import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { tell } from "../../gallery/page/dom.js";

class FakeElement {
  textContent = "";
  isHidden = false;

  closest() {
    return this.isHidden ? this : null;
  }
}
const fake = () => /** @type {HTMLElement & FakeElement} */ (/** @type {unknown} */ (new FakeElement()));
let region = fake();

beforeEach(() => {
  region = fake();
  Object.assign(globalThis, { HTMLElement: FakeElement, document: { getElementById: () => region } });
});

test("screen readers hear a heading whenever it changes, or what stands below it", () => {
  const elements = [fake(), fake()];
  const heard = [["You may close this tab now", "All have arrived."], ["All are in the gallery", "That was all."], ["All are in the gallery", "1 is gone."]].map((words) => {
    tell(elements, words);
    return region.textContent;
  });
  assert.deepEqual(heard, ["You may close this tab now. All have arrived.", "All are in the gallery. That was all.", "All are in the gallery. 1 is gone."]);
  assert.deepEqual(elements.map((one) => one.textContent), ["All are in the gallery", "1 is gone."]);
  region.textContent = "something else since";
  tell(elements, ["All are in the gallery", "1 is gone."]);
  assert.equal(region.textContent, "something else since", "what stays is not said twice");
});

test("what nobody can see yet is not said", () => {
  const heading = fake();
  heading.isHidden = true;
  tell([heading], ["Nothing that can be sent"]);
  assert.equal(heading.textContent, "Nothing that can be sent");
  assert.equal(region.textContent, "");
});
