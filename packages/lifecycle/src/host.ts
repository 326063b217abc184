import { accessSync, constants, existsSync, readFileSync } from "node:fs";
import { release, userInfo } from "node:os";
import { type CgroupLayout, detectLayout } from "@runlet/cgroups";
import { RunletError } from "@runlet/errors";
import type { HostFacts } from "@runlet/plan";

/** The oldest kernel with all that the plan's operations need: mount_setattr(2) came with 5.12. */
const oldestKernel = { major: 5, minor: 12 } as const;

let facts: HostFacts | undefined;
let layout: CgroupLayout | undefined;
let uidMap: string | undefined;
let isNested: boolean | undefined;

/** The layout of the host's control groups, read once. */
export function hostLayout(): CgroupLayout {
  layout ??= detectLayout();
  return layout;
}

/**
 * What a plan has to know of this host, read once for each process.
 *
 * @throws RunletError `ERR_RUNLET_HOST` on a kernel before 5.12 or an architecture without a helper.
 */
export function hostFacts(): HostFacts {
  facts ??= readFacts();
  return facts;
}

function readFacts(): HostFacts {
  const kernel = parseKernelVersion(release());
  if (kernel.major < oldestKernel.major || (kernel.major === oldestKernel.major && kernel.minor < oldestKernel.minor)) {
    throw new RunletError("ERR_RUNLET_HOST", `Linux ${release()} is too old: runlet needs 5.12 or newer`, {
      hint: "mount_setattr(2), by which mounts get their attributes without a path, came with Linux 5.12",
    });
  }
  const { arch } = process;
  if (arch !== "x64" && arch !== "arm64") {
    throw new RunletError("ERR_RUNLET_HOST", `no support for the architecture ${arch}: x64 and arm64 only`);
  }
  const euid = process.geteuid?.() ?? 0;
  return {
    kernel,
    architecture: arch,
    euid,
    egid: process.getegid?.() ?? 0,
    isInUserNamespace: isHostInUserNamespace(),
    setgroups: readIfThere("/proc/self/setgroups").trim() === "deny" ? "deny" : "allow",
    hasSubordinateIds: euid !== 0 && hasSubordinateIds(euid),
    lastCapability: Number(readIfThere("/proc/sys/kernel/cap_last_cap") || 40),
    hasKcore: existsSync("/proc/kcore"),
    securityModules: readIfThere("/sys/kernel/security/lsm").trim().split(",").filter(Boolean),
    cgroups: hostLayout(),
  };
}

function parseKernelVersion(text: string): { major: number; minor: number } {
  const [major = 0, minor = 0] = text.split(/[.-]/).map(Number);
  return { major, minor };
}

/** The id map of this process's user namespace, read once: whoever is in it cannot change it. */
export function readUidMap(): string {
  uidMap ??= readIfThere("/proc/self/uid_map");
  return uidMap;
}

/** Whether this process is in a user namespace other than the first; found out once. */
export function isHostInUserNamespace(): boolean {
  isNested ??= isInUserNamespace(readUidMap());
  return isNested;
}

/** The first user namespace maps everything to itself: `0 0 4294967295`. @see user_namespaces(7) */
export function isInUserNamespace(uidMap: string): boolean {
  const fields = uidMap.trim().split(/\s+/);
  return fields.length > 1 && fields.join(" ") !== "0 0 4294967295";
}

/** Ranges may also come from a name service, of which newuidmap(1) alone knows. @see subuid(5) */
function hasSubordinateIds(euid: number): boolean {
  if (!isProgram("newuidmap") || !isProgram("newgidmap")) return false;
  if (/^\s*subid\s*:/m.test(readIfThere("/etc/nsswitch.conf"))) return true;
  const names = [String(euid), userName(euid)];
  const hasRange = (hostPath: string) =>
    readIfThere(hostPath)
      .split("\n")
      .some((line) => names.includes(line.split(":")[0] ?? ""));
  return hasRange("/etc/subuid") && hasRange("/etc/subgid");
}

/** From the file, since Bun's userInfo() believes the environment; else from whatever name service there is. */
function userName(uid: number): string {
  const line = readIfThere("/etc/passwd")
    .split("\n")
    .find((candidate) => candidate.split(":")[2] === String(uid));
  if (line !== undefined) return line.split(":")[0] ?? "";
  try {
    return userInfo().username;
  } catch {
    return "";
  }
}

/** Directories of the programs that map ids; not the environment's PATH, which may be another's. */
export const idMapDirectories: readonly string[] = ["/usr/bin", "/usr/local/bin", "/bin", "/usr/sbin", "/sbin"];

function isProgram(name: string): boolean {
  return idMapDirectories.some((directory) => {
    try {
      accessSync(`${directory}/${name}`, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

function readIfThere(hostPath: string): string {
  try {
    return readFileSync(hostPath, "utf8");
  } catch {
    return "";
  }
}
