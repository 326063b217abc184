import { existsSync, lstatSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseMountinfo } from "./observation.ts";

/**
 * What of a run is left on the host, in words. Everything that a suite makes carries its tag: containers' ids, directories
 * and with them mounts, command lines and control groups; so that suites can run side by side and each finds its own.
 * Namespaces need no look of their own: one without a process, a mount or a descriptor is gone.
 */
export function findLeaks(tag: string): string[] {
  return [...leakedMounts(tag), ...leakedCgroups(tag), ...leakedProcesses(tag), ...leakedFiles(tag)];
}

/** The host's mounts as mountinfo has them, besides those that others make meanwhile in temporary directories of theirs. */
export function listMounts(tag: string): string[] {
  const isOthers = (line: string) => !line.includes(tag) && (line.includes("/e2e-") || line.includes(` ${tmpdir()}/`));
  return readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .filter((line) => !isOthers(line));
}

function leakedMounts(tag: string): string[] {
  return parseMountinfo(readFileSync("/proc/self/mountinfo", "utf8"))
    .filter((mount) => mount.target.includes(tag) || mount.root.includes(tag))
    .map((mount) => `mount of ${mount.type} at ${mount.target}`);
}

/** Every directory below the host's cgroup file systems. */
export function listCgroups(directory = "/sys/fs/cgroup"): string[] {
  const found: string[] = [];
  let entries: string[];
  try {
    entries = readdirSync(directory);
  } catch {
    return found;
  }
  for (const name of entries) {
    const path = join(directory, name);
    try {
      if (!lstatSync(path).isDirectory()) continue;
    } catch {
      continue;
    }
    found.push(path, ...listCgroups(path));
  }
  return found;
}

function leakedCgroups(tag: string): string[] {
  return listCgroups()
    .filter((path) => path.includes(tag))
    .map((path) => `control group ${path}`);
}

function leakedProcesses(tag: string): string[] {
  const found: string[] = [];
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)) {
    // What has ended and is left to the machine's own init to reap is no longer ours.
    if (/\) Z 1 /.test(readFileOrEmpty(`/proc/${pid}/stat`))) continue;
    const commandLine = readFileOrEmpty(`/proc/${pid}/cmdline`).replaceAll("\0", " ").trim();
    const evidence = [
      commandLine,
      readFileOrEmpty(`/proc/${pid}/cgroup`),
      readLinkOrEmpty(`/proc/${pid}/cwd`),
      readLinkOrEmpty(`/proc/${pid}/root`),
    ];
    if (evidence.some((text) => text.includes(tag))) found.push(`process ${pid} (${commandLine || "no command line"})`);
  }
  return found;
}

function leakedFiles(tag: string): string[] {
  const found: string[] = [];
  const directories = ["/run/runlet", "/run/runc", "/run/crun", "/run/netns", "/dev/shm", "/dev/mqueue"];
  // Transient units of systemd have their files there.
  for (const directory of [...directories, "/run/systemd/transient"]) {
    for (const name of readIfAllowed(directory)) if (name.includes(tag)) found.push(`file ${join(directory, name)}`);
  }
  return found;
}

function readFileOrEmpty(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

function readLinkOrEmpty(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return "";
  }
}

/** The whole host, for a run that has it to itself. */
export interface HostSnapshot {
  readonly mounts: readonly string[];
  readonly cgroups: readonly string[];
  readonly files: readonly string[];
}

/** What lies in the places of the host that containers touch. */
export function takeHostSnapshot(): HostSnapshot {
  return {
    mounts: parseMountinfo(readFileSync("/proc/self/mountinfo", "utf8")).map(
      (mount) => `${mount.type} at ${mount.target}`,
    ),
    cgroups: listCgroups().filter((path) => !isOfService(path)),
    files: ["/run/runlet", "/run/runc", "/run/crun", "/run/netns", "/dev", "/dev/shm", "/dev/mqueue"]
      .filter((directory) => existsSync(directory))
      .flatMap((directory) => readdirSync(directory).map((name) => join(directory, name))),
  };
}

/** Whether systemd has made a group for what it starts by itself, at its times: services, and who logs in. */
function isOfService(path: string): boolean {
  return /\/[^/]+\.service(\/|$)|\/session-[^/]+\.scope(\/|$)|\/user-\d+\.slice$/.test(path);
}

/** What `after` has that `before` had not. */
export function compareHostSnapshots(before: HostSnapshot, after: HostSnapshot): string[] {
  const differences: string[] = [];
  for (const kind of ["mounts", "cgroups", "files"] as const) {
    const known = new Set(before[kind]);
    for (const entry of after[kind]) if (!known.has(entry)) differences.push(`${kind}: ${entry}`);
  }
  return differences;
}

/** Root's directories are closed to an ordinary user, who can have left nothing there. */
function readIfAllowed(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}
