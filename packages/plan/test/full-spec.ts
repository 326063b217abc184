import type { Linux, Process, Spec } from "@runlet/spec";

/** A type with every field there, all the way down. */
type Complete<Value> = Value extends (infer Item)[]
  ? Complete<Item>[]
  : Value extends object
    ? { [Key in keyof Value]-?: Complete<Value[Key]> }
    : Value;

/** Other platforms' fields, and Intel's: refused, each with a test of its own. */
type Refused = "windows" | "solaris" | "freebsd" | "vm" | "zos";
type LinuxSpec = Omit<Spec, Refused | "process" | "linux"> & {
  process: Omit<Process, "commandLine" | "user"> & { user: Omit<Process["user"], "username"> };
  linux: Omit<Linux, "intelRdt" | "resources">;
};

/**
 * A config with every field of the specification for Linux: a field that the types gain and that is missing here does not
 * compile. `linux.resources` is left out, since it reaches the plan through `options.cgroup` alone.
 */
export function fullSpec(): Spec {
  const spec: Complete<LinuxSpec> = {
    ociVersion: "1.3.0",
    root: { path: "rootfs", readonly: true },
    hostname: "box",
    domainname: "example.org",
    annotations: { "org.example.note": "x" },
    mounts: [
      {
        destination: "/data",
        type: "tmpfs",
        source: "data",
        options: ["idmap", "nosuid", "size=1m"],
        uidMappings: [{ containerID: 0, hostID: 5000, size: 10 }],
        gidMappings: [{ containerID: 0, hostID: 6000, size: 10 }],
      },
    ],
    process: {
      terminal: true,
      consoleSize: { height: 24, width: 80 },
      user: { uid: 1, gid: 2, umask: 0o027, additionalGids: [3] },
      args: ["/bin/sh", "-c"],
      env: ["PATH=/bin"],
      cwd: "/work",
      capabilities: {
        bounding: ["CAP_KILL"],
        effective: ["CAP_KILL"],
        inheritable: ["CAP_KILL"],
        permitted: ["CAP_KILL"],
        ambient: ["CAP_KILL"],
      },
      rlimits: [{ type: "RLIMIT_NOFILE", hard: 2048, soft: 1024 }],
      noNewPrivileges: true,
      apparmorProfile: "box",
      oomScoreAdj: 100,
      scheduler: {
        policy: "SCHED_DEADLINE",
        nice: 1,
        priority: 1,
        flags: ["SCHED_FLAG_RECLAIM"],
        runtime: 10,
        deadline: 20,
        period: 30,
      },
      selinuxLabel: "system_u:system_r:container_t:s0",
      ioPriority: { class: "IOPRIO_CLASS_BE", priority: 4 },
      execCPUAffinity: { initial: "0", final: "1" },
    },
    hooks: {
      prestart: [{ path: "/h/0", args: ["h0"], env: ["A=0"], timeout: 1 }],
      createRuntime: [{ path: "/h/1", args: ["h1"], env: ["A=1"], timeout: 1 }],
      createContainer: [{ path: "/h/2", args: ["h2"], env: ["A=2"], timeout: 1 }],
      startContainer: [{ path: "/h/3", args: ["h3"], env: ["A=3"], timeout: 1 }],
      poststart: [{ path: "/h/4", args: ["h4"], env: ["A=4"], timeout: 1 }],
      poststop: [{ path: "/h/5", args: ["h5"], env: ["A=5"], timeout: 1 }],
    },
    linux: {
      namespaces: [
        { type: "user", path: "" },
        { type: "mount", path: "" },
        { type: "uts", path: "" },
        { type: "cgroup", path: "" },
        { type: "time", path: "" },
        { type: "network", path: "/run/netns/box" },
      ],
      uidMappings: [{ containerID: 0, hostID: 100000, size: 65536 }],
      gidMappings: [{ containerID: 0, hostID: 200000, size: 65536 }],
      timeOffsets: { monotonic: { secs: 1, nanosecs: 2 }, boottime: { secs: 3, nanosecs: 4 } },
      devices: [{ type: "c", path: "/dev/fuse", major: 10, minor: 229, fileMode: 0o600, uid: 1, gid: 2 }],
      netDevices: { eth1: { name: "eth0" } },
      cgroupsPath: "/box",
      sysctl: { "net.ipv4.ip_forward": "1" },
      seccomp: {
        defaultAction: "SCMP_ACT_ERRNO",
        defaultErrnoRet: 38,
        architectures: ["SCMP_ARCH_X86"],
        flags: ["SECCOMP_FILTER_FLAG_LOG"],
        listenerPath: "/run/agent.sock",
        listenerMetadata: "box",
        syscalls: [
          {
            names: ["personality"],
            action: "SCMP_ACT_ERRNO",
            errnoRet: 1,
            args: [{ index: 0, value: 15, valueTwo: 8, op: "SCMP_CMP_MASKED_EQ" }],
          },
          // An error number would be refused here.
          { names: ["mkdir"], action: "SCMP_ACT_NOTIFY" } as never,
        ],
      },
      rootfsPropagation: "rslave",
      maskedPaths: ["/proc/kcore"],
      readonlyPaths: ["/proc/sys"],
      mountLabel: "system_u:object_r:container_file_t:s0",
      personality: { domain: "LINUX32", flags: [] },
      memoryPolicy: { mode: "MPOL_BIND", nodes: "0", flags: ["MPOL_F_STATIC_NODES"] },
    },
  };
  return spec;
}
