/* Computes digests in a worker, beside the page: see digesting.js. */

import { digest } from "./digest.js";

addEventListener("message", async ({ data }) => postMessage(await digest(data)));
