import type { Progress } from "@runlet/image";
import { isTerminal, writeAll } from "../output.ts";
import { drawProgress } from "./progress-drawing.ts";

/** Shows how a transfer goes. */
export interface TransferDisplay {
  update(progress: Progress): void;
  /** Leaves the last state standing; nothing may follow. */
  finish(): void;
}

/** How a transfer is shown. */
export interface TransferDisplayOptions {
  readonly isQuiet: boolean;
  /** One JSON object a line on standard output. */
  readonly isJson: boolean;
  print(text: string): void;
}

/** At most so often is something shown again. */
const intervalMs = 100;

/**
 * Opens the display that suits: lines of JSON for programs, bars for a person at a terminal, nothing otherwise. Bars go to
 * standard error.
 */
export async function openTransferDisplay({
  isQuiet,
  isJson,
  print,
}: TransferDisplayOptions): Promise<TransferDisplay> {
  if (isJson) return jsonDisplay(print);
  if (isQuiet || !isTerminal(2)) return { update: () => {}, finish: () => {} };
  const { getWindowSize } = await import("@runlet/syscall");
  return terminalDisplay({
    size: () => getWindowSize(2),
    write: (text) => writeAll(2, text),
  });
}

function jsonDisplay(print: (text: string) => void): TransferDisplay {
  const shownAtMs = new Map<string, number>();
  return {
    update(progress) {
      const key = `${progress.step} ${progress.digest}`;
      const nowMs = performance.now();
      const isEnd = progress.doneBytes >= progress.totalBytes;
      if (!isEnd && nowMs - (shownAtMs.get(key) ?? Number.NEGATIVE_INFINITY) < intervalMs) return;
      // A step may come to its end more than once; programs are told once.
      if (shownAtMs.get(key) === Number.POSITIVE_INFINITY) return;
      shownAtMs.set(key, isEnd ? Number.POSITIVE_INFINITY : nowMs);
      print(JSON.stringify(progress));
    },
    finish() {},
  };
}

/** What a terminal is needed for. */
export interface TerminalOptions {
  size(): { readonly rows: number; readonly columns: number };
  write(text: string): void;
}

/** Draws a line for each content, over those drawn before. */
export function terminalDisplay({ size, write }: TerminalOptions): TransferDisplay {
  const contents = new Map<string, Progress>();
  let drawnLines = 0;
  let drawnAtMs = Number.NEGATIVE_INFINITY;
  const draw = () => {
    const lines = drawProgress([...contents.values()], size());
    // Up to the first line drawn before; then each line anew, and what is left below erased.
    const up = drawnLines === 0 ? "" : `\x1b[${drawnLines}A`;
    write(`${up}${lines.map((line) => `\r${line}\x1b[K\n`).join("")}\x1b[J`);
    drawnLines = lines.length;
  };
  return {
    update(progress) {
      if (progress.step === "resolve") return;
      contents.set(progress.digest, progress);
      const nowMs = performance.now();
      if (nowMs - drawnAtMs < intervalMs) return;
      drawnAtMs = nowMs;
      draw();
    },
    finish() {
      if (contents.size > 0) draw();
    },
  };
}
