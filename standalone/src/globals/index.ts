/** Makes of QuickJS what the command's code expects of Node. Imported before everything else. */

import "./language.ts";
import { AbortController, AbortSignal } from "./abort.ts";
import { btoa } from "./base64.ts";
import { Buffer } from "./buffer.ts";
import { process } from "./process.ts";
import { structuredClone } from "./structured-clone.ts";
import { TextDecoder, TextEncoder } from "./text-coding.ts";
import { clearTimeout, setTimeout } from "./timers.ts";

const globals = {
  AbortController,
  AbortSignal,
  Buffer,
  TextDecoder,
  TextEncoder,
  btoa,
  clearTimeout,
  process,
  setTimeout,
  structuredClone,
};
for (const [name, value] of Object.entries(globals)) {
  Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
}
