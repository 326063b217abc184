import { RunletError } from "@runlet/errors";
import { capabilitySets } from "./capabilities.ts";
import { type Context, hasNamespace } from "./context.ts";
import { isSetgroupsDenied } from "./id-mappings.ts";
import type { Exec, FindExecutable, Operation, SetOomScoreAdj, SetUser, SetWorkingDirectory } from "./operation.ts";
import { cleanPath } from "./path.ts";
import { specRules } from "./pointer.ts";
import { seccompOperation } from "./seccomp.ts";

/** Where execvp(3) of the GNU C library looks without a PATH. */
const defaultSearchPath = "/bin:/usr/bin";

/** Of runc and crun alike: that of a daemon which calls us is no good one to inherit. */
const defaultUmask = 0o022;

/**
 * `setOomScoreAdj`, where the config has it: before all else, while the helper is in the caller's user namespace and still
 * dumpable, so that procfs lets an ordinary user write it.
 */
export function oomScoreOperations(context: Context): SetOomScoreAdj[] {
  const value = context.process.oomScoreAdj;
  if (value === undefined) return [];
  const by = hasNamespace(context, "user") ? "parent" : "init";
  return [{ op: "setOomScoreAdj", by, value, from: "/process/oomScoreAdj" }];
}

/** What {@link privilegeOperations} leaves for the start. */
export interface PrivilegeOperations {
  /** While the container is created, the last of its phase. */
  readonly created: readonly Operation[];
  /** At its start, right before `exec`. */
  readonly started: readonly Operation[];
}

/**
 * From the helper's privileges to the process's: the order in which each step still has what it needs.
 *
 * A filter is installed as late as it can be, so that it has to allow little besides execve(2): at the start when
 * no_new_privs or a CAP_SYS_ADMIN that the process keeps permits it then, else before the capabilities go. A filter with a
 * listener is installed while the container is created, when there is a parent to take the listener.
 */
export function privilegeOperations(context: Context): PrivilegeOperations {
  const { noNewPrivileges } = context.process;
  const { bounding, others } = capabilitySets(context);
  const filter = seccompOperation(context);
  const isLateEnough = noNewPrivileges === true || others.effective.includes("CAP_SYS_ADMIN");
  const early = filter !== null && !isLateEnough ? [filter] : [];
  const late = filter !== null && isLateEnough ? [filter] : [];
  const created: Operation[] = [];
  if (noNewPrivileges === true) created.push({ op: "setNoNewPrivileges", from: "/process/noNewPrivileges" });
  created.push(...homeOperations(context), bounding, workingDirectory(context, { mayFail: true }), ...early);
  created.push(setUser(context), others, workingDirectory(context, { mayFail: false }), findExecutable(context));
  if (filter?.listener === true) return { created: [...created, ...late], started: [] };
  return { created, started: late };
}

/** The working directory, where it is missing; before the root becomes read-only. */
export function makeWorkingDirectory(context: Context): Operation[] {
  const containerPath = cleanPath(context.process.cwd);
  return containerPath === "/" ? [] : [{ op: "makeDirectory", containerPath, from: "/process/cwd" }];
}

/** `exec`, with the last of several values of a variable. */
export function execOperation(context: Context): Exec {
  return {
    op: "exec",
    args: [...processArgs(context)],
    env: uniqueVariables(context.process.env ?? []).filter((entry) => !needsHome(context) || nameOf(entry) !== "HOME"),
    preserveFds: context.options.preserveFds ?? 0,
    from: "/process/args",
  };
}

/** Variables of an environment by name; the last of several holds, at the place of the first. */
export function uniqueVariables(env: readonly string[]): readonly string[] {
  const byName = new Map<string, string>();
  for (const entry of env) byName.set(nameOf(entry), entry);
  return [...byName.values()];
}

function variableOf(context: Context, name: string): string | undefined {
  const entry = (context.process.env ?? []).findLast((variable) => nameOf(variable) === name);
  return entry?.slice(name.length + 1);
}

function nameOf(entry: string): string {
  const equals = entry.indexOf("=");
  return equals < 0 ? entry : entry.slice(0, equals);
}

function processArgs(context: Context): readonly [string, ...string[]] {
  const [name, ...rest] = context.process.args ?? [];
  if (name === undefined || name === "") {
    throw new RunletError("ERR_RUNLET_PROCESS", "no program to run", {
      pointer: context.process.args === undefined ? "/process" : "/process/args",
      hint: 'give "args" a program and its arguments',
    });
  }
  return [name, ...rest];
}

function findExecutable(context: Context): FindExecutable {
  const [name] = processArgs(context);
  return {
    op: "findExecutable",
    name,
    searchPath: variableOf(context, "PATH") ?? defaultSearchPath,
    from: "/process/args",
  };
}

function homeOperations(context: Context): Operation[] {
  if (!needsHome(context)) return [];
  return [{ op: "lookUpHome", uid: context.process.user.uid, from: specRules.process }];
}

/** An empty HOME counts as none, as in runc. */
function needsHome(context: Context): boolean {
  const home = variableOf(context, "HOME");
  return home === undefined || home === "";
}

function workingDirectory(context: Context, { mayFail }: { mayFail: boolean }): SetWorkingDirectory {
  const containerPath = context.process.cwd;
  // makeDirectory has made it, while the root could be written to.
  const operation = { op: "setWorkingDirectory", containerPath, create: false, from: "/process/cwd" } as const;
  return mayFail ? { ...operation, mayFail } : operation;
}

function setUser(context: Context): SetUser {
  const { uid, gid, umask, additionalGids = [] } = context.process.user;
  const isDenied = isSetgroupsDenied(context);
  // Of a user namespace that is joined it is not known whether it denies setgroups(2): `clearGroups` has done what can be.
  const isUncertain = context.namespaces.joined.has("user") && additionalGids.length === 0;
  if (isDenied && additionalGids.length > 0) {
    throw new RunletError("ERR_RUNLET_PROCESS", "additional groups cannot be set: setgroups(2) is denied", {
      pointer: "/process/user/additionalGids",
      hint: "remove additionalGids, or map ranges of ids with newuidmap and newgidmap",
    });
  }
  return {
    op: "setUser",
    uid,
    gid,
    additionalGids: isDenied || isUncertain ? null : [...additionalGids],
    umask: umask ?? defaultUmask,
    from: "/process/user",
  };
}
