import { signalNumber } from "./signal-name.ts";

/** What {@link runProgram} runs. */
export interface ProgramRequest {
  readonly hostPath: string;
  /** With args[0]. */
  readonly args: readonly string[];
  /** `NAME=value`. */
  readonly env: readonly string[];
  readonly cwd?: string;
  readonly input?: string;
  readonly timeoutMs?: number | null;
  /** Kills the program when it fires. */
  readonly signal?: AbortSignal | undefined;
}

/** How a program ended. */
export interface ProgramResult {
  /** Exit status, 128 + n after a signal. */
  readonly status: number;
  readonly isTimedOut: boolean;
  /** The beginning of what it wrote to both outputs. */
  readonly output: string;
}

const maxOutputCharacters = 4096;
/** How long the last words of a program that fails may take: what it has started may keep its output open for ever. */
const outputDelayMs = 100;

/**
 * Runs a program of the host's, without a shell and with no more of an environment than it is given.
 *
 * @throws the error of spawn when it cannot be executed; the reason of the signal.
 */
export async function runProgram(request: ProgramRequest): Promise<ProgramResult> {
  const { spawn } = await import("node:child_process");
  request.signal?.throwIfAborted();
  const [argv0 = request.hostPath, ...args] = request.args;
  const child = spawn(request.hostPath, args, {
    argv0,
    env: Object.fromEntries(request.env.map(splitVariable)),
    ...(request.cwd === undefined ? {} : { cwd: request.cwd }),
    stdio: ["pipe", "pipe", "pipe"],
  });
  const closed = new Promise((resolve) => child.once("close", resolve));
  let output = "";
  const collect = (chunk: Buffer) => {
    if (output.length < maxOutputCharacters) output = (output + chunk.toString()).slice(0, maxOutputCharacters);
  };
  child.stdout.on("data", collect);
  child.stderr.on("data", collect);
  // A program that does not read its input closes the pipe.
  child.stdin.on("error", () => {});
  child.stdin.end(request.input ?? "");
  let isTimedOut = false;
  const timer =
    request.timeoutMs == null
      ? undefined
      : setTimeout(() => {
          isTimedOut = true;
          child.kill("SIGKILL");
        }, request.timeoutMs);
  const onAbort = () => child.kill("SIGKILL");
  request.signal?.addEventListener("abort", onAbort, { once: true });
  try {
    const status = await new Promise<number>((resolve, reject) => {
      child.once("error", reject);
      child.once("exit", (code, signal) => resolve(code ?? 128 + (signal === null ? 0 : signalNumber(signal))));
    });
    request.signal?.throwIfAborted();
    if (status !== 0)
      await Promise.race([closed, new Promise((resolve) => setTimeout(resolve, outputDelayMs).unref())]);
    return { status, isTimedOut, output };
  } finally {
    clearTimeout(timer);
    request.signal?.removeEventListener("abort", onAbort);
    child.stdout.destroy();
    child.stderr.destroy();
  }
}

function splitVariable(variable: string): [string, string] {
  const at = variable.indexOf("=");
  return at < 0 ? [variable, ""] : [variable.slice(0, at), variable.slice(at + 1)];
}
