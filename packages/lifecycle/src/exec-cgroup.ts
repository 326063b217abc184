import { closeSync, openSync, readFileSync } from "node:fs";
import type { Cgroup, CgroupDescriptors } from "@runlet/cgroups";
import { errnoMessage, quote, RunletError, SyscallError } from "@runlet/errors";
import { closeFd, openat2, openFlags, resolveFlags } from "@runlet/syscall";
import { hostLayout } from "./host.ts";

/** Where a process is to be accounted for. */
export interface ExecCgroupRequest {
  readonly cgroup: Cgroup;
  /** `[CONTROLLERS:]PATH` of control groups below the container's; empty: the container's own. */
  readonly subPaths: readonly string[];
  /** The container's process. */
  readonly pid: number;
}

/**
 * Opens `cgroup.procs` of the control groups that a process in a container joins: the container's, or groups below it that
 * are there, resolved beneath its directory by descriptor.
 *
 * @returns the descriptors; disposing closes them.
 * @throws RunletError `ERR_RUNLET_CGROUP`; `ERR_RUNLET_USAGE` (`bad sub cgroup path`, `unknown controller`).
 */
export function openExecCgroup(request: ExecCgroupRequest): CgroupDescriptors & Disposable {
  const procs = openProcs(request);
  const close = () => {
    for (const { fd } of procs) closeFd(fd);
  };
  return { procs, directoryFd: null, [Symbol.dispose]: close };
}

function openProcs({ cgroup, subPaths, pid }: ExecCgroupRequest): CgroupDescriptors["procs"] {
  const wanted = parseSubPaths(subPaths, Object.keys(cgroup.hostPaths));
  if (wanted.size === 0) {
    const nested = nestedGroup(cgroup, pid);
    return nested === null ? openOwn(cgroup) : [{ controller: "", fd: open(nested, "") }];
  }
  const byHostPath = new Map<string, string[]>();
  for (const [controller, hostPath] of Object.entries(cgroup.hostPaths))
    byHostPath.set(hostPath, [...(byHostPath.get(hostPath) ?? []), controller]);
  const procs: { controller: string; fd: number }[] = [];
  try {
    for (const [hostPath, controllers] of byHostPath) {
      const subPath = controllers.map((controller) => wanted.get(controller)).find((path) => path !== undefined);
      procs.push({ controller: controllers[0] ?? "", fd: open(hostPath, subPath ?? "") });
    }
  } catch (error) {
    for (const { fd } of procs) closeFd(fd);
    throw error;
  }
  return procs;
}

/** Paths by controller; one without a controller is for all. */
function parseSubPaths(subPaths: readonly string[], controllers: readonly string[]): ReadonlyMap<string, string> {
  const paths = new Map<string, string>();
  for (const text of subPaths) {
    const [first = "", second, ...rest] = text.split(":");
    if (rest.length > 0) throw badArgument(text, "more than one colon");
    const path = relativePath(second ?? first);
    if (second === undefined) {
      if (subPaths.length > 1) throw badArgument(text, "one of several needs its controllers: cpu,cpuacct:PATH");
      for (const controller of controllers) paths.set(controller, path);
      continue;
    }
    for (const controller of first.split(",")) {
      if (!controllers.includes(controller)) {
        throw new RunletError("ERR_RUNLET_USAGE", `unknown controller ${quote(controller)}`, {
          hint: `the container's control groups have ${controllers.filter(Boolean).join(", ") || "a unified hierarchy: leave the controller out"}`,
        });
      }
      if (paths.has(controller)) throw badArgument(text, `a second path for ${controller}`);
      paths.set(controller, path);
    }
  }
  return paths;
}

function badArgument(text: string, why: string): RunletError {
  return new RunletError("ERR_RUNLET_USAGE", `invalid --cgroup argument ${quote(text)}: ${why}`);
}

/** The components of a path below the container's control group. None of them leads upwards. */
function relativePath(path: string): string {
  const components = path.split("/").filter((component) => component !== "" && component !== ".");
  if (path === "" || components.includes("..") || path.includes("\0")) throw badSubPath(path);
  return components.join("/");
}

function badSubPath(path: string, cause?: SyscallError): RunletError {
  const why = cause === undefined ? "" : `: ${errnoMessage(cause.code)}`;
  return new RunletError("ERR_RUNLET_USAGE", `bad sub cgroup path ${quote(path)}${why}`, {
    hint: "a control group that is there, named by its path below the container's own",
    ...(cause === undefined ? {} : { syscall: cause.syscall, errno: cause.code, cause }),
  });
}

const beneath =
  resolveFlags.RESOLVE_BENEATH |
  resolveFlags.RESOLVE_NO_SYMLINKS |
  resolveFlags.RESOLVE_NO_MAGICLINKS |
  resolveFlags.RESOLVE_NO_XDEV;

function open(hostPath: string, subPath: string): number {
  const dirFd = openSync(hostPath, openFlags.O_PATH | openFlags.O_DIRECTORY);
  try {
    const path = subPath === "" ? "cgroup.procs" : `${subPath}/cgroup.procs`;
    return openat2({ dirFd, path, flags: openFlags.O_WRONLY, resolve: beneath });
  } catch (cause) {
    throw cause instanceof SyscallError && subPath !== "" ? badSubPath(subPath, cause) : cause;
  } finally {
    closeSync(dirFd);
  }
}

function openOwn(cgroup: Cgroup): CgroupDescriptors["procs"] {
  const { procs, directoryFd } = cgroup.openProcs();
  if (directoryFd !== null) closeFd(directoryFd);
  return procs;
}

/**
 * The host directory of the control group that the container's process is in, where the container's own can take no process:
 * one whose groups have controllers, as systemd makes them in a container. @see cgroups(7), "no internal processes"
 */
function nestedGroup(cgroup: Cgroup, pid: number): string | null {
  const { kind, unified } = hostLayout();
  const own = cgroup.hostPaths[""];
  if (kind !== "v2" || unified === null || own === undefined) return null;
  if (readIfThere(`${own}/cgroup.subtree_control`).trim() === "") return null;
  const path = /^0::(.*)$/m.exec(readIfThere(`/proc/${pid}/cgroup`))?.[1];
  const nested = path === undefined ? "" : `${unified.mountPoint}${path}`;
  return nested.startsWith(`${own}/`) && !nested.includes("/../") ? nested : null;
}

function readIfThere(hostPath: string): string {
  try {
    return readFileSync(hostPath, "utf8");
  } catch {
    return "";
  }
}
