import type { Message } from "@runlet/syscall";

/**
 * What the init helper says; `packages/syscall/native/init/report.h` has the layout and the order.
 */
export interface Report {
  readonly kind: "failed" | "pause" | "forked" | "created" | "terminal" | "listener";
  /** Index of the operation in the plan. */
  readonly index: number;
  /** Error number of a failure. */
  readonly errno: number;
  /** Process id of `forked`, exit status of a failed hook. */
  readonly value: number;
  /** System call that failed. */
  readonly call: string;
  /** What it was applied to, or the kernel's own words. */
  readonly text: string;
  /** Descriptors that came along; the receiver closes them. */
  readonly fds: readonly number[];
}

/** Room for the longest report. */
export const maxReportBytes = 16 + 24 + 1024;

const kinds: Readonly<Record<number, Report["kind"]>> = {
  1: "failed",
  2: "pause",
  3: "forked",
  4: "created",
  5: "terminal",
  6: "listener",
};
const MESSAGE_GO = 7;
const headBytes = 16;
const callBytes = 24;
const decoder = new TextDecoder();

/** @returns the report in a message, or null at the end of the connection. */
export function decodeReport({ bytes, fds }: Message): Report | null {
  if (bytes.length === 0) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const kind = bytes.length > headBytes + callBytes ? kinds[view.getUint32(0, true)] : undefined;
  if (kind === undefined) throw new Error(`the init helper sent a message of ${bytes.length} bytes that means nothing`);
  return {
    kind,
    index: view.getUint32(4, true),
    errno: view.getInt32(8, true),
    value: view.getUint32(12, true),
    call: decodeText(bytes.subarray(headBytes, headBytes + callBytes)),
    text: decodeText(bytes.subarray(headBytes + callBytes)),
    fds,
  };
}

function decodeText(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  if (end === 0) return "";
  return decoder.decode(end < 0 ? bytes : bytes.subarray(0, end));
}

/** Tells the helper to go on. */
export const goMessage: Uint8Array = Uint8Array.of(MESSAGE_GO, 0, 0, 0);
