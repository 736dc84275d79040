/* SHA-256 of a file, in lower-case hex: what the gallery compares contents by. */

// Web Crypto takes a file as a whole only: a larger one is read piece by piece, which is slower.
export const WHOLE_AT_MOST = 64 * 1024 * 1024; // bytes
const PIECE = 1024 * 1024; // bytes

/**
 * Null where the file cannot be read: it was moved, or its card was taken out.
 * @param {Blob} file
 */
export async function digest(file) {
  // Browsers have Web Crypto on encrypted pages only.
  const isWhole = globalThis.isSecureContext && file.size <= WHOLE_AT_MOST;
  try {
    return await (isWhole ? digestWhole(file) : digestInPieces(file));
  } catch {
    return null;
  }
}

/** @param {Blob} file */
export async function digestWhole(file) {
  return hex(new Uint8Array(await crypto.subtle.digest("SHA-256", await file.arrayBuffer())));
}

/** @param {Blob} file */
export async function digestInPieces(file) {
  const { sha256 } = await import("./vendor/noble-hashes/sha2.js");
  const hash = sha256.create();
  for (let at = 0; at < file.size; at += PIECE) {
    hash.update(new Uint8Array(await file.slice(at, at + PIECE).arrayBuffer()));
  }
  return hex(hash.digest());
}

/** @param {Uint8Array} bytes */
function hex(bytes) {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
