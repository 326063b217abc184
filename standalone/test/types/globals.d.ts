import type * as abort from "../../src/globals/abort.ts";
import type * as base64 from "../../src/globals/base64.ts";
import type * as buffer from "../../src/globals/buffer.ts";
import type * as processes from "../../src/globals/process.ts";
import type * as coding from "../../src/globals/text-coding.ts";
import type * as timers from "../../src/globals/timers.ts";

/** What `src/globals/index.ts` makes global, and Node's names of types. */
declare global {
  type AbortController = abort.AbortController;
  type AbortSignal = abort.AbortSignal;
  type Buffer = buffer.Buffer;
  type TextDecoder = coding.TextDecoder;
  type TextEncoder = coding.TextEncoder;
  const AbortController: typeof abort.AbortController;
  const AbortSignal: typeof abort.AbortSignal;
  const Buffer: typeof buffer.Buffer;
  const TextDecoder: typeof coding.TextDecoder;
  const TextEncoder: typeof coding.TextEncoder;
  const btoa: typeof base64.btoa;
  const process: typeof processes.process;
  const setTimeout: typeof timers.setTimeout;
  const clearTimeout: typeof timers.clearTimeout;
  function structuredClone<Value>(value: Value): Value;

  namespace NodeJS {
    type Signals = string;
    type ProcessEnv = Record<string, string | undefined>;
    interface ErrnoException extends Error {
      code?: string;
      errno?: number;
      syscall?: string;
      path?: string;
      dest?: string;
    }
  }
}
