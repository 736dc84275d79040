/* Sends one file with its presigned request. XMLHttpRequest, because fetch still tells nothing of an upload's progress. */

/**
 * @import { PresignedFile } from "../api/schemas.ts"
 * @typedef {{ status: number, code: string }} Answer
 */

// Without a byte for this long the line is dead, whatever the operating system believes.
const STALLED_AFTER = 60_000;
// The browser sets these itself, and complains in the console when a page tries to.
const FORBIDDEN = new Set(["content-length", "host", "connection"]);

/**
 * Resolves to the HTTP status, 0 where no answer came, and S3's error code.
 * @param {PresignedFile} request
 * @param {File} file
 * @param {{ onProgress: (loaded: number) => void, signal: AbortSignal }} options
 * @returns {Promise<Answer>}
 */
export function transfer(request, file, { onProgress, signal }) {
  return new Promise((resolve) => {
    const xhr = new XMLHttpRequest();
    /** @type {ReturnType<typeof setTimeout>} */
    let watch;
    const alive = () => {
      clearTimeout(watch);
      watch = setTimeout(() => xhr.abort(), STALLED_AFTER);
    };
    const abort = () => xhr.abort();
    xhr.upload.onprogress = (event) => {
      alive();
      // A form is some hundred bytes longer than its file.
      onProgress(Math.min(file.size, event.loaded));
    };
    xhr.onloadend = () => {
      clearTimeout(watch);
      signal.removeEventListener("abort", abort);
      resolve({ status: xhr.status, code: /<Code>(\w+)<\/Code>/.exec(xhr.responseText)?.[1] ?? "" });
    };
    signal.addEventListener("abort", abort);
    xhr.open(request.method, request.url);
    for (const [name, value] of Object.entries(request.headers ?? {})) {
      if (!FORBIDDEN.has(name.toLowerCase())) xhr.setRequestHeader(name, value);
    }
    alive();
    xhr.send(request.method === "PUT" ? file : form(request.fields ?? {}, file));
  });
}

/** @type {(fields: Record<string, string>, file: File) => FormData} */
function form(fields, file) {
  const data = new FormData();
  for (const [name, value] of Object.entries(fields)) data.append(name, value);
  // S3 ignores every field behind the file. Its name on the sender's disk is nobody's business.
  data.append("file", file, "file");
  return data;
}

/**
 * Whether the file can still be read: it may be moved, changed or on a card that was taken out.
 * @param {File} file
 */
export async function isReadable(file) {
  try {
    await file.slice(0, 1).arrayBuffer();
    return true;
  } catch {
    return false;
  }
}
