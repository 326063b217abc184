import type { Arch, LinuxSeccomp, LinuxSeccompAction, LinuxSeccompFlag, LinuxSyscall } from "@runlet/spec";
import {
  actionValues,
  flagValues,
  largestErrno,
  SECCOMP_FILTER_FLAG_NEW_LISTENER,
  SECCOMP_FILTER_FLAG_TSYNC_ESRCH,
} from "./action.ts";
import { type Architecture, architectures } from "./architecture.ts";
import { type Condition, readCondition } from "./condition.ts";
import { invalid } from "./invalid.ts";

/** Where a seccomp profile lies in config.json. */
export const profilePointer = "/linux/seccomp";

/** What a rule decides: the filter's return value, and which entry of `syscalls` says so. */
export interface Verdict {
  readonly value: number;
  /** Index into `syscalls`; −1 for `defaultAction`. */
  readonly rule: number;
}

/** An entry of `syscalls`, checked. */
export interface Rule {
  readonly names: readonly string[];
  readonly verdict: Verdict;
  /** Alternatives; within one, all conditions must hold. A rule without conditions has one empty alternative. */
  readonly alternatives: readonly (readonly Condition[])[];
}

/** A profile, checked and with its words turned into numbers. */
export interface Profile {
  readonly defaultVerdict: Verdict;
  readonly defaultAction: LinuxSeccompAction;
  /** The native architecture first, each once. */
  readonly architectures: readonly Architecture[];
  readonly rules: readonly Rule[];
  /** `SECCOMP_FILTER_FLAG_*` for seccomp(2). */
  readonly flags: number;
  readonly listener: boolean;
}

/**
 * Checks a profile and turns its words into numbers.
 *
 * @throws RunletError `ERR_RUNLET_SECCOMP` at the first entry that is wrong.
 */
export function readProfile(profile: LinuxSeccomp, nativeArch: Arch): Profile {
  const defaultValue = readAction({
    action: profile.defaultAction,
    errnoRet: profile.defaultErrnoRet,
    pointer: profilePointer,
    keys: ["defaultAction", "defaultErrnoRet"],
  });
  if (profile.defaultAction === "SCMP_ACT_NOTIFY") {
    throw invalid(`${profilePointer}/defaultAction`, "SCMP_ACT_NOTIFY cannot be the default action", {
      hint: "The calls that hand the listener over would wait for the listener: name the calls to be notified of.",
    });
  }
  const entries = profile.syscalls ?? [];
  const listener = entries.some((entry) => entry.action === "SCMP_ACT_NOTIFY");
  checkListener(profile, listener);
  return {
    defaultVerdict: { value: defaultValue, rule: -1 },
    defaultAction: profile.defaultAction,
    architectures: readArchitectures(profile, nativeArch),
    rules: entries.map(readRule),
    flags: readFlags(profile, listener),
    listener,
  };
}

function readArchitectures(profile: LinuxSeccomp, nativeArch: Arch): Architecture[] {
  const native = architectures.get(nativeArch);
  if (native === undefined) throw new Error(`nativeArch ${nativeArch} is not an architecture of the specification`);
  const result = [native];
  const names = profile.architectures ?? [];
  for (let index = 0; index < names.length; index++) {
    const name = names[index] as Arch;
    const pointer = `${profilePointer}/architectures/${index}`;
    const architecture = architectures.get(name);
    if (architecture === undefined) {
      throw invalid(pointer, "unknown architecture", { value: name, known: [...architectures.keys()] });
    }
    if (architecture.bigEndian !== native.bigEndian) {
      throw invalid(pointer, `${name} has the other byte order than the native ${native.name}`, {
        hint: "Leave out architectures whose programs this kernel cannot run.",
      });
    }
    if (!result.includes(architecture)) result.push(architecture);
  }
  return result;
}

function readFlags(profile: LinuxSeccomp, listener: boolean): number {
  let flags = listener ? SECCOMP_FILTER_FLAG_NEW_LISTENER : 0;
  const names = profile.flags ?? [];
  for (let index = 0; index < names.length; index++) {
    const flag = names[index] as LinuxSeccompFlag;
    if (!Object.hasOwn(flagValues, flag)) {
      const pointer = `${profilePointer}/flags/${index}`;
      throw invalid(pointer, "unknown seccomp flag", { value: flag, known: Object.keys(flagValues) });
    }
    // Without a listener the kernel refuses the flag with EINVAL, though nothing could ever wait.
    if (flag === "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV" && !listener) continue;
    flags |= flagValues[flag];
  }
  // seccomp(2) cannot return both a listener's descriptor and the id of a thread that failed to synchronise.
  if (listener && (flags & flagValues.SECCOMP_FILTER_FLAG_TSYNC) !== 0) flags |= SECCOMP_FILTER_FLAG_TSYNC_ESRCH;
  return flags;
}

function checkListener(profile: LinuxSeccomp, listener: boolean): void {
  if (listener && !profile.listenerPath) {
    throw invalid(`${profilePointer}/listenerPath`, "SCMP_ACT_NOTIFY is used but listenerPath is not set", {
      hint: "Set listenerPath to the socket of the process that will answer.",
    });
  }
  if (profile.listenerMetadata && !profile.listenerPath) {
    throw invalid(`${profilePointer}/listenerMetadata`, "listenerMetadata is set without listenerPath");
  }
}

function readRule(entry: LinuxSyscall, index: number): Rule {
  const pointer = `${profilePointer}/syscalls/${index}`;
  const { action, errnoRet, names, args = [] } = entry;
  const value = readAction({ action, errnoRet, pointer, keys: ["action", "errnoRet"] });
  if (!Array.isArray(names) || names.length === 0) throw invalid(`${pointer}/names`, "names has no entry");
  const empty = names.indexOf("");
  if (empty >= 0) throw invalid(`${pointer}/names/${empty}`, "the name of a system call is empty");
  const conditions = args.map((arg, position) => readCondition(arg, `${pointer}/args/${position}`));
  return { names, verdict: { value, rule: index }, alternatives: toAlternatives(conditions) };
}

/**
 * All conditions of a rule must hold, except where two are on the same argument: then each condition of the rule is an
 * alternative. That is what runc has always made of such rules, and profiles rely on it.
 */
function toAlternatives(conditions: readonly Condition[]): readonly (readonly Condition[])[] {
  let seen = 0;
  for (const { arg } of conditions) {
    if ((seen & (1 << arg)) !== 0) return conditions.map((condition) => [condition]);
    seen |= 1 << arg;
  }
  return [conditions];
}

interface ActionSource {
  readonly action: LinuxSeccompAction;
  readonly errnoRet: number | undefined;
  readonly pointer: string;
  readonly keys: readonly [action: string, errnoRet: string];
}

function readAction({ action, errnoRet, pointer, keys }: ActionSource): number {
  if (!Object.hasOwn(actionValues, action)) {
    throw invalid(`${pointer}/${keys[0]}`, "unknown action", { value: action, known: Object.keys(actionValues) });
  }
  const value = actionValues[action];
  const largest = action === "SCMP_ACT_ERRNO" ? largestErrno : action === "SCMP_ACT_TRACE" ? 0xffff : undefined;
  if (largest === undefined) {
    // config-linux.md#seccomp: "When the action does not support an errno, the runtime MUST print and error and fail."
    if (errnoRet !== undefined) throw invalid(`${pointer}/${keys[1]}`, `${action} takes no error number`);
    return value;
  }
  const data = errnoRet ?? 1;
  if (!Number.isInteger(data) || data < 0 || data > largest) {
    throw invalid(`${pointer}/${keys[1]}`, `${String(data)} is not 0 to ${largest}`);
  }
  return value + data;
}
