import * as system from "runlet:system";
import * as childProcess from "../modules/child_process.ts";
import * as fs from "../modules/fs.ts";
import { signalNumbers } from "../modules/signal-number.ts";
import { callError, systemError } from "../modules/system-error.ts";
import * as tty from "../modules/tty.ts";

type SignalListener = (name: string, number: number) => void;
type ExitListener = (status: number) => void;

const signalListeners = new Map<string, SignalListener[]>();
let exitListeners: ExitListener[] = [];
let areSignalsHandedOver = false;

const builtinModules = { "node:child_process": childProcess, "node:fs": fs, "node:tty": tty };

function handOver(number: number): void {
  for (const [name, listeners] of signalListeners) {
    if (signalNumbers[name] === number) for (const listener of [...listeners]) listener(name, number);
  }
}

function watch(name: string, isWatched: boolean): void {
  const number = signalNumbers[name];
  if (number === undefined) throw new Error(`${name} is neither a signal nor the event exit`);
  if (!areSignalsHandedOver) system.onSignal(handOver);
  areSignalsHandedOver = true;
  const result = system.watchSignal(number, isWatched);
  if (result < 0) throw callError(result, "uv_signal_start");
}

let invocation: ReturnType<typeof system.invocation> | undefined;
let env: Record<string, string> | undefined;

/** Asked for when it is used: this module has run before the process began. */
function invoked(): ReturnType<typeof system.invocation> {
  invocation ??= system.invocation();
  return invocation;
}

/** Node's `process`, as far as the command uses it. */
export const process = {
  /** As Node has it: the engine, the program, which here is the name that this executable was started by, and the rest. */
  get argv(): string[] {
    const { argv, execPath } = invoked();
    return [execPath, ...argv];
  },
  get argv0(): string {
    return invoked().argv[0] ?? "";
  },
  get execPath(): string {
    return invoked().execPath;
  },
  versions: { quickjs: "2021-03-27" } as { quickjs: string; bun?: string; node?: string },

  get arch(): string {
    return system.architecture();
  },
  get env(): Record<string, string> {
    env ??= system.environment();
    return env;
  },
  get pid(): number {
    return system.processId();
  },

  cwd(): string {
    const path = system.workingDirectory();
    if (typeof path === "number") throw systemError(path, "uv_cwd");
    return path;
  },
  geteuid: system.effectiveUserId,
  /** In seconds, and not from the start of this program: what counts is the time between two of them. */
  uptime: (): number => system.nowMs() / 1000,
  getegid: system.effectiveGroupId,

  /** @throws an error in Node's shape. */
  kill(pid: number, signal: string | number = "SIGTERM"): true {
    const number = typeof signal === "number" ? signal : signalNumbers[signal];
    if (number === undefined) throw new TypeError(`${signal} is no signal`);
    const result = system.kill(pid, number);
    if (result < 0) throw callError(result, "kill");
    return true;
  },

  on(event: string, listener: SignalListener | ExitListener) {
    if (event === "exit") exitListeners.push(listener as ExitListener);
    else {
      const listeners = signalListeners.get(event);
      if (listeners === undefined) {
        watch(event, true);
        signalListeners.set(event, [listener as SignalListener]);
      } else listeners.push(listener as SignalListener);
    }
    return process;
  },

  /** A signal that nobody listens to has its default action. */
  off(event: string, listener: SignalListener | ExitListener) {
    if (event === "exit") exitListeners = exitListeners.filter((other) => other !== listener);
    else {
      const listeners = signalListeners.get(event)?.filter((other) => other !== listener);
      if (listeners === undefined) return process;
      if (listeners.length > 0) signalListeners.set(event, listeners);
      else if (signalListeners.delete(event)) watch(event, false);
    }
    return process;
  },

  exit(status = 0): never {
    const listeners = exitListeners;
    exitListeners = [];
    for (const listener of listeners) listener(status);
    return system.exit(status);
  },

  getBuiltinModule<Id extends keyof typeof builtinModules>(id: Id): (typeof builtinModules)[Id] {
    return builtinModules[id];
  },
};
