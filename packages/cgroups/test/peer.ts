import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { LinuxResources } from "@runlet/spec";
import { helperHostPath } from "@runlet/syscall";

/**
 * The command of another runtime, program first. crun refuses a hybrid layout: it is run where the part of one that is v2
 * cannot be seen.
 */
function commandOf(runtime: "runc" | "crun"): readonly [program: string, ...args: string[]] {
  if (runtime === "runc") return ["runc"];
  const script = 'if mountpoint -q /sys/fs/cgroup/unified; then umount /sys/fs/cgroup/unified; fi; exec crun "$@"';
  return ["unshare", "--mount", "--propagation", "slave", "sh", "-c", script, "crun"];
}

/** Whether another runtime is installed and can make a container here. */
export function canRun(runtime: "runc" | "crun"): boolean {
  try {
    execFileSync(runtime, ["--version"], { stdio: "ignore" });
    peerContainer(runtime, {})[Symbol.dispose]();
    return true;
  } catch {
    return false;
  }
}

/** A container that another runtime has created with these resources. */
export interface Peer extends Disposable {
  /** Host directory of its group of a controller, on v2 of an empty one. */
  readonly hostPath: (controller: string) => string;
}

/** Has another runtime create a container, which waits to be started. */
export function peerContainer(runtime: "runc" | "crun", resources: LinuxResources): Peer {
  const bundle = mkdtempSync(join(tmpdir(), "runlet-peer-"));
  const id = `peer-${process.pid}-${Math.random().toString(36).slice(2)}`;
  mkdirSync(join(bundle, "rootfs", "dev"), { recursive: true });
  copyFileSync(helperHostPath(), join(bundle, "rootfs", "init"));
  writeFileSync(join(bundle, "config.json"), JSON.stringify(configOf(bundle, resources)));
  const [program, ...words] = commandOf(runtime);
  const run = (...args: string[]): string =>
    execFileSync(program, [...words, ...args], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
  const clean = (): void => {
    try {
      run("delete", "--force", id);
    } catch {}
    rmSync(bundle, { recursive: true });
  };
  try {
    // Not by a pipe: the container would keep it open.
    execFileSync(program, [...words, "create", "--bundle", bundle, id], { stdio: "ignore" });
    const { pid } = JSON.parse(run("state", id));
    const groups = readFileSync(`/proc/${pid}/cgroup`, "utf8");
    return { hostPath: (controller) => hostPathOf(groups, controller), [Symbol.dispose]: clean };
  } catch (error) {
    clean();
    throw error;
  }
}

function configOf(bundle: string, resources: LinuxResources): unknown {
  return {
    ociVersion: "1.0.2",
    process: { terminal: false, user: { uid: 0, gid: 0 }, args: ["/init"], env: ["PATH=/"], cwd: "/" },
    root: { path: join(bundle, "rootfs") },
    mounts: [
      { destination: "/proc", type: "proc", source: "proc" },
      { destination: "/dev", type: "tmpfs", source: "tmpfs" },
    ],
    linux: { namespaces: ["pid", "mount", "ipc", "uts"].map((type) => ({ type })), resources },
  };
}

function hostPathOf(groups: string, controller: string): string {
  for (const line of groups.split("\n")) {
    const [, names, path] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    if (names === undefined || !names.split(",").includes(controller)) continue;
    return controller === "" && !isV2Mounted()
      ? `/sys/fs/cgroup/unified${path}`
      : `/sys/fs/cgroup${names === "" ? "" : `/${names}`}${path}`;
  }
  return "";
}

function isV2Mounted(): boolean {
  return /^\S+ \S+ \S+ \S+ \/sys\/fs\/cgroup .* - cgroup2 /m.test(readFileSync("/proc/self/mountinfo", "utf8"));
}
