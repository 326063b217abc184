import { errnoMessage, quote, RunletError } from "@runlet/errors";
import { type Hook, hookOperations } from "@runlet/plan";
import type { Spec } from "@runlet/spec";
import { createMemoryFile } from "@runlet/syscall";
import { messageOf } from "./container-errors.ts";
import type { Warning } from "./options.ts";
import { type ProgramResult, runProgram } from "./program.ts";

/** State of a container as hooks get it on standard input, runtime.md#state. */
export interface HookState {
  readonly ociVersion: string;
  readonly id: string;
  readonly status: "creating" | "created" | "running" | "stopped";
  readonly pid?: number;
  readonly bundle: string;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** The state as a file that a hook can have for its standard input. @returns its descriptor, the caller's. */
export function createStateFile(state: HookState): number {
  return createMemoryFile("runlet-state", new TextEncoder().encode(JSON.stringify(state)));
}

/** What {@link runHook} runs. */
export interface HookRun {
  readonly hook: Hook;
  readonly state: HookState;
  /** Kills the hook when it fires. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Runs a hook in the runtime's namespaces.
 *
 * @throws RunletError `ERR_RUNLET_HOOK` when it cannot be run, fails, or does not end in time; the reason of the signal.
 */
export async function runHook({ hook, state, signal }: HookRun): Promise<void> {
  const start = `error running ${hook.kind} hook #${hook.index}`;
  let result: ProgramResult;
  try {
    result = await runProgram({
      hostPath: hook.path,
      args: hook.args.length === 0 ? [hook.path] : hook.args,
      env: hook.env,
      cwd: state.bundle,
      input: JSON.stringify(state),
      timeoutMs: hook.timeoutMs,
      signal,
    });
  } catch (cause) {
    if (signal?.aborted) throw cause;
    const errno = String((cause as NodeJS.ErrnoException).code);
    throw new RunletError("ERR_RUNLET_HOOK", `${start}: ${quote(hook.path)}: ${errnoMessage(errno)}`, {
      pointer: hook.from,
      errno,
      syscall: "execve",
      hint: "a hook's path is a path of the host; it must be an executable file",
      cause,
    });
  }
  if (result.status === 0 && !result.isTimedOut) return;
  const output = result.output === "" ? "" : `, output: ${quote(result.output)}`;
  const how = result.isTimedOut
    ? `${quote(hook.path)} did not end in ${hook.timeoutMs} ms and was killed`
    : `exit status ${result.status}`;
  throw new RunletError("ERR_RUNLET_HOOK", `${start}: ${how}${output}`, { pointer: hook.from });
}

/**
 * Runs hooks one after the other until one fails.
 *
 * @throws RunletError `ERR_RUNLET_HOOK` of the first that fails; the rest are not run. The reason of the signal.
 */
export async function runPoststartHooks(spec: Spec, run: Omit<HookRun, "hook">): Promise<void> {
  for (const hook of hookOperations(spec, "poststart")) await runHook({ ...run, hook });
}

/** Runs every poststop hook; one that fails is warned of. @see runtime.md#lifecycle step 13 */
export async function runPoststopHooks(spec: Spec, state: HookState, warn: (warning: Warning) => void): Promise<void> {
  for (const hook of hookOperations(spec, "poststop")) {
    try {
      await runHook({ hook, state });
    } catch (error) {
      warn({ message: messageOf(error), pointer: hook.from });
    }
  }
}
