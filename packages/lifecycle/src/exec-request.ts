import { quote, RunletError } from "@runlet/errors";
import type { LinuxCapabilities, Process, Spec, User } from "@runlet/spec";
import { stringifyJson, toRunletError, validateProcess } from "@runlet/validator";
import type { ExecOptions } from "./exec-options.ts";

/**
 * The whole process that `exec` is to run: what the options say, and else what the config has for the container's own process.
 *
 * @throws RunletError `ERR_RUNLET_PROCESS` without a program, and for a variable without a value;
 *   `ERR_RUNLET_CONFIG_INVALID` for what is no process.
 */
export function processOf(options: ExecOptions, config: Spec): Process {
  checkVariables(options.process?.env ?? options.env ?? []);
  const base: Process = config.process ?? { user: { uid: 0, gid: 0 }, cwd: "/" };
  const wanted = options.process === undefined ? fromOptions(options, base) : completed(options.process, base);
  if (wanted.args === undefined || wanted.args.length === 0) {
    throw new RunletError("ERR_RUNLET_PROCESS", "process args cannot be empty", {
      hint: "name a program and its arguments, or give a process with args",
    });
  }
  const { value, issues } = validateProcess(stringifyJson(wanted));
  const located = issues.map((issue) => ({ ...issue, pointer: `/process${issue.pointer}` }));
  const error = toRunletError(located, "process");
  if (error !== undefined || value === undefined) throw error ?? new Error("a process without errors has no value");
  return value;
}

/** As runc does; what the config has, its container has been created with. */
function checkVariables(env: readonly string[]): void {
  const invalid = env.find((entry) => !entry.includes("="));
  if (invalid === undefined) return;
  throw new RunletError("ERR_RUNLET_PROCESS", `invalid environment variable: ${quote(invalid)}`, {
    hint: "give NAME=value; the value may be empty",
  });
}

function fromOptions(options: ExecOptions, base: Process): Process {
  const { args, env = [], cwd, user, tty = false, capabilities = [] } = options;
  return {
    ...base,
    args: [...(args ?? [])],
    env: [...(base.env ?? []), ...env],
    terminal: tty,
    ...(cwd === undefined || cwd === "" ? {} : { cwd }),
    ...(user === undefined ? {} : { user: userOf(user, base.user) }),
    ...(capabilities.length === 0 ? {} : { capabilities: withCapabilities(base.capabilities, capabilities) }),
    ...(options.noNewPrivileges === undefined ? {} : { noNewPrivileges: options.noNewPrivileges }),
    ...(options.apparmorProfile === undefined ? {} : { apparmorProfile: options.apparmorProfile }),
    ...(options.selinuxLabel === undefined ? {} : { selinuxLabel: options.selinuxLabel }),
  };
}

function userOf({ uid, gid, additionalGids = [], umask }: NonNullable<ExecOptions["user"]>, base: User): User {
  const groups = [...(base.additionalGids ?? []), ...additionalGids];
  return {
    ...base,
    ...(uid === undefined ? {} : { uid }),
    ...(gid === undefined ? {} : { gid }),
    ...(groups.length === 0 ? {} : { additionalGids: groups }),
    ...(umask === undefined ? {} : { umask }),
  };
}

/** Ambient capabilities need the inheritable ones, which nobody gets who has none (CVE-2022-29162). */
function withCapabilities(base: LinuxCapabilities = {}, names: readonly string[]): LinuxCapabilities {
  const add = (set: readonly string[] | undefined) => [...new Set([...(set ?? []), ...names])];
  const { bounding, effective, permitted } = base;
  return { ...base, bounding: add(bounding), effective: add(effective), permitted: add(permitted) };
}

function completed(process: Process, base: Process): Process {
  const inherited = Object.fromEntries(
    inheritedFields.filter((field) => base[field] !== undefined).map((field) => [field, base[field]]),
  ) as Partial<Process>;
  const { umask } = base.user;
  return { ...inherited, ...process, user: { ...(umask === undefined ? {} : { umask }), ...process.user } };
}

/** What a process of `exec` has from the container where it says nothing, as in runc. */
const inheritedFields = [
  "capabilities",
  "rlimits",
  "apparmorProfile",
  "selinuxLabel",
  "oomScoreAdj",
  "scheduler",
  "ioPriority",
  "execCPUAffinity",
] as const satisfies readonly (keyof Process)[];
