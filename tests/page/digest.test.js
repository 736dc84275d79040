import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";

import { digest, digestInPieces, digestWhole, WHOLE_AT_MOST } from "../../gallery/page/digest.js";

// FIPS 180-2, appendix B, and the empty message.
const KNOWN = {
  "": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
  abc: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
  abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq: "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
};
const MILLION = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0";

for (const [name, compute] of Object.entries({ digestWhole, digestInPieces })) {
  test(`${name} gives the known digests`, async () => {
    for (const [text, sha256] of Object.entries(KNOWN)) assert.equal(await compute(new Blob([text])), sha256);
    assert.equal(await compute(new Blob(["a".repeat(1_000_000)])), MILLION);
  });
}

test("a file is read in pieces of any length", async () => {
  for (const size of [1024 * 1024 - 1, 1024 * 1024, 1024 * 1024 + 1, 3_333_333]) {
    const bytes = new Uint8Array(size).map((_, index) => index % 251);
    assert.equal(await digestInPieces(new Blob([bytes])), createHash("sha256").update(bytes).digest("hex"));
  }
});

test("Web Crypto is asked on encrypted pages only, and for files that fit in memory", async (context) => {
  const whole = context.mock.method(crypto.subtle, "digest", async () => new ArrayBuffer(32));
  context.after(() => Reflect.deleteProperty(globalThis, "isSecureContext"));
  /** @type {(isSecureContext: boolean, size: number) => Promise<number>} */
  const calls = async (isSecureContext, size) => {
    Object.assign(globalThis, { isSecureContext });
    const pieces = async () => new ArrayBuffer(0);
    await digest(/** @type {Blob} */ (/** @type {unknown} */ ({ size, arrayBuffer: pieces, slice: () => ({ arrayBuffer: pieces }) })));
    return whole.mock.callCount();
  };
  assert.equal(await calls(false, 1), 0);
  assert.equal(await calls(true, WHOLE_AT_MOST + 1), 0);
  assert.equal(await calls(true, WHOLE_AT_MOST), 1);
});

test("a file that cannot be read has no digest", async () => {
  const gone = async () => Promise.reject(new Error("NotReadableError"));
  const file = /** @type {Blob} */ (/** @type {unknown} */ ({ size: 1, arrayBuffer: gone, slice: () => ({ arrayBuffer: gone }) }));
  assert.equal(await digest(file), null);
});
