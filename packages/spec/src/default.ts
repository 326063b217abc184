import type { LinuxNamespace } from "./linux.ts";
import type { Mount } from "./mount.ts";
import type { Spec } from "./spec.ts";

/** The version of the specification that this package types. */
export const ociVersion = "1.3.0";

/** What a default configuration can be given. */
export interface DefaultSpecOptions {
  /** Host name in the container. Defaults to `runlet`. */
  readonly hostname?: string;
  /** Whether the container gets a cgroup namespace, which runc gives it on hosts with cgroup v2 alone. Defaults to false. */
  readonly cgroupNamespace?: boolean;
}

/**
 * A configuration to start from: a shell on a terminal, in namespaces of its own, with few capabilities, a read-only root
 * at `rootfs`, the usual mounts, and no access to devices but the default ones. The content is that of `runc spec`.
 *
 * @returns a new object, the caller's to change.
 */
export function defaultSpec(options: DefaultSpecOptions = {}): Spec {
  const capabilities = () => ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"];
  const namespaces: LinuxNamespace[] = [
    { type: "pid" },
    { type: "network" },
    { type: "ipc" },
    { type: "uts" },
    { type: "mount" },
  ];
  if (options.cgroupNamespace === true) namespaces.push({ type: "cgroup" });
  return {
    ociVersion,
    process: {
      terminal: true,
      user: { uid: 0, gid: 0 },
      args: ["sh"],
      env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm"],
      cwd: "/",
      capabilities: { bounding: capabilities(), effective: capabilities(), permitted: capabilities() },
      rlimits: [{ type: "RLIMIT_NOFILE", hard: 1024, soft: 1024 }],
      noNewPrivileges: true,
    },
    root: { path: "rootfs", readonly: true },
    hostname: options.hostname ?? "runlet",
    mounts: defaultMounts(),
    linux: {
      resources: { devices: [{ allow: false, access: "rwm" }] },
      namespaces,
      maskedPaths: [
        "/proc/acpi",
        "/proc/asound",
        "/proc/kcore",
        "/proc/keys",
        "/proc/latency_stats",
        "/proc/timer_list",
        "/proc/timer_stats",
        "/proc/sched_debug",
        "/sys/firmware",
        "/proc/scsi",
        "/sys/devices/virtual/tpm",
      ],
      readonlyPaths: ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"],
    },
  };
}

/** Who a rootless configuration is for. */
export interface RootlessSpecOptions extends DefaultSpecOptions {
  /** Effective user id that becomes 0 in the container. */
  readonly uid: number;
  /** Effective group id that becomes 0 in the container. */
  readonly gid: number;
}

/**
 * The {@link defaultSpec} for a caller without privileges: a user namespace that maps the one id, the host's network and its
 * /sys, no resources, and no options that name other ids. The content is that of `runc spec --rootless`.
 *
 * @returns a new object, the caller's to change.
 */
export function rootlessSpec(options: RootlessSpecOptions): Spec {
  const spec = defaultSpec(options);
  const { resources: _, namespaces = [], ...linux } = spec.linux ?? {};
  return {
    ...spec,
    mounts: (spec.mounts ?? []).map(toRootless),
    linux: {
      uidMappings: [{ containerID: 0, hostID: options.uid, size: 1 }],
      gidMappings: [{ containerID: 0, hostID: options.gid, size: 1 }],
      namespaces: [...namespaces.filter(({ type }) => type !== "network"), { type: "user" }],
      ...linux,
    },
  };
}

/** An ordinary user can neither mount a sysfs of the host's network namespace nor name ids that are not mapped. */
function toRootless(mount: Mount): Mount {
  if (mount.destination === "/sys") {
    return {
      destination: "/sys",
      type: "none",
      source: "/sys",
      options: ["rbind", "nosuid", "noexec", "nodev", "ro"],
    };
  }
  if (mount.options === undefined) return mount;
  return { ...mount, options: mount.options.filter((option) => !/^[ug]id=/.test(option)) };
}

function defaultMounts(): Mount[] {
  return [
    { destination: "/proc", type: "proc", source: "proc" },
    {
      destination: "/dev",
      type: "tmpfs",
      source: "tmpfs",
      options: ["nosuid", "strictatime", "mode=755", "size=65536k"],
    },
    {
      destination: "/dev/pts",
      type: "devpts",
      source: "devpts",
      options: ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
    },
    {
      destination: "/dev/shm",
      type: "tmpfs",
      source: "shm",
      options: ["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"],
    },
    { destination: "/dev/mqueue", type: "mqueue", source: "mqueue", options: ["nosuid", "noexec", "nodev"] },
    { destination: "/sys", type: "sysfs", source: "sysfs", options: ["nosuid", "noexec", "nodev", "ro"] },
    {
      destination: "/sys/fs/cgroup",
      type: "cgroup",
      source: "cgroup",
      options: ["nosuid", "noexec", "nodev", "relatime", "ro"],
    },
  ];
}
