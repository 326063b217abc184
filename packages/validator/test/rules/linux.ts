import { type Fixture, without } from "./example.ts";

/** What the rules about seccomp, sysctl and what else is particular to Linux find, each alone. */
export const linuxFixtures: readonly Fixture[] = [
  [
    "paths.mountNamespace",
    "/linux/maskedPaths",
    "error",
    (spec) => {
      without(spec, "mount");
      spec.linux.readonlyPaths = [];
    },
  ],
  [
    "seccomp.notifyDefault",
    "/linux/seccomp/defaultAction",
    "error",
    (spec) => (spec.linux.seccomp = { defaultAction: "SCMP_ACT_NOTIFY" }),
  ],
  [
    "seccomp.notifyWrite",
    "/linux/seccomp/syscalls/0/names/1",
    "warning",
    (spec) =>
      (spec.linux.seccomp = {
        defaultAction: "SCMP_ACT_ALLOW",
        listenerPath: "/run/s",
        syscalls: [{ names: ["mount", "write"], action: "SCMP_ACT_NOTIFY" }],
      }),
  ],
  [
    "seccomp.listenerPath",
    "/linux/seccomp/syscalls/0/action",
    "error",
    (spec) =>
      (spec.linux.seccomp = {
        defaultAction: "SCMP_ACT_ALLOW",
        syscalls: [{ names: ["mount"], action: "SCMP_ACT_NOTIFY" }],
      }),
  ],
  [
    "seccomp.listenerPath",
    "/linux/seccomp/listenerMetadata",
    "error",
    (spec) => (spec.linux.seccomp = { defaultAction: "SCMP_ACT_ALLOW", listenerMetadata: "x" }),
  ],
  [
    "seccomp.errnoRet",
    "/linux/seccomp/defaultErrnoRet",
    "error",
    (spec) => (spec.linux.seccomp = { defaultAction: "SCMP_ACT_ALLOW", defaultErrnoRet: 1 }),
  ],
  [
    "seccomp.errnoRet",
    "/linux/seccomp/syscalls/0/errnoRet",
    "error",
    (spec) =>
      (spec.linux.seccomp = {
        defaultAction: "SCMP_ACT_ALLOW",
        syscalls: [{ names: ["mount"], action: "SCMP_ACT_ERRNO", errnoRet: 4096 }],
      }),
  ],
  [
    "seccomp.flags",
    "/linux/seccomp/flags/0",
    "warning",
    (spec) =>
      (spec.linux.seccomp = { defaultAction: "SCMP_ACT_ALLOW", flags: ["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"] }),
  ],
  [
    "seccomp.architectures",
    "/linux/seccomp/architectures/1",
    "warning",
    (spec) =>
      (spec.linux.seccomp = { defaultAction: "SCMP_ACT_ALLOW", architectures: ["SCMP_ARCH_X86", "SCMP_ARCH_X86"] }),
  ],
  [
    "seccomp.names",
    "/linux/seccomp/syscalls/0/names/0",
    "error",
    (spec) =>
      (spec.linux.seccomp = {
        defaultAction: "SCMP_ACT_ALLOW",
        syscalls: [{ names: ["un link"], action: "SCMP_ACT_KILL" }],
      }),
  ],
  [
    "sysctl.name",
    "/linux/sysctl/net.ipv4..~1..~1kernel",
    "error",
    (spec) => (spec.linux.sysctl = { "net.ipv4../../kernel": "1" }),
  ],
  [
    "sysctl.name",
    "/linux/sysctl/net~1..~1..~1kernel~1core_pattern",
    "error",
    (spec) => (spec.linux.sysctl = { "net/../../kernel/core_pattern": "1" }),
  ],
  ["sysctl.name", "/linux/sysctl/shmmax", "error", (spec) => (spec.linux.sysctl = { shmmax: "1" })],
  [
    "sysctl.namespace",
    "/linux/sysctl/kernel.core_pattern",
    "error",
    (spec) => (spec.linux.sysctl = { "kernel.core_pattern": "|/x" }),
  ],
  [
    "sysctl.namespace",
    "/linux/sysctl/net~1core~1somaxconn",
    "error",
    (spec) => {
      without(spec, "network");
      spec.linux.sysctl = { "net/core/somaxconn": "1" };
    },
  ],
  [
    "sysctl.namespace",
    "/linux/sysctl/fs.mqueue.msg_max",
    "error",
    (spec) => {
      without(spec, "ipc");
      spec.linux.sysctl = { "fs.mqueue.msg_max": "1" };
    },
  ],
  [
    "sysctl.namespace",
    "/linux/sysctl/user.max_user_namespaces",
    "error",
    (spec) => (spec.linux.sysctl = { "user.max_user_namespaces": "1" }),
  ],
  [
    "sysctl.conflict",
    "/linux/sysctl/kernel.hostname",
    "error",
    (spec) => (spec.linux.sysctl = { "kernel.hostname": "x" }),
  ],
  [
    "sysctl.conflict",
    "/linux/sysctl/kernel.domainname",
    "error",
    (spec) => Object.assign(spec, { domainname: "a", linux: { ...spec.linux, sysctl: { "kernel.domainname": "b" } } }),
  ],
  [
    "sysctl.conflict",
    "/linux/sysctl/net~1core~1somaxconn",
    "error",
    (spec) => (spec.linux.sysctl = { "net.core.somaxconn": "1", "net/core/somaxconn": "2" }),
  ],
  ["paths.absolute", "/linux/maskedPaths/0", "error", (spec) => (spec.linux.maskedPaths = ["proc/kcore"])],
  ["paths.absolute", "/linux/readonlyPaths/0", "error", (spec) => (spec.linux.readonlyPaths = [""])],
  ["cgroupsPath.climbs", "/linux/cgroupsPath", "error", (spec) => (spec.linux.cgroupsPath = "/a/../../b")],
  ["cgroupsPath.climbs", "/linux/cgroupsPath", "error", (spec) => (spec.linux.cgroupsPath = "system.slice:..:b")],
  [
    "personality.flags",
    "/linux/personality/flags/0",
    "error",
    (spec) => (spec.linux.personality = { domain: "LINUX", flags: ["ADDR_NO_RANDOMIZE"] }),
  ],
  [
    "memoryPolicy.nodes",
    "/linux/memoryPolicy/nodes",
    "error",
    (spec) => (spec.linux.memoryPolicy = { mode: "MPOL_BIND", nodes: "x" }),
  ],
  [
    "memoryPolicy.nodes",
    "/linux/memoryPolicy/nodes",
    "error",
    (spec) => (spec.linux.memoryPolicy = { mode: "MPOL_LOCAL", nodes: "0" }),
  ],
  [
    "memoryPolicy.nodes",
    "/linux/memoryPolicy",
    "error",
    (spec) => (spec.linux.memoryPolicy = { mode: "MPOL_INTERLEAVE" }),
  ],
  [
    "memoryPolicy.flags",
    "/linux/memoryPolicy/flags/0",
    "error",
    (spec) => (spec.linux.memoryPolicy = { mode: "MPOL_INTERLEAVE", nodes: "0", flags: ["MPOL_F_NUMA_BALANCING"] }),
  ],
  [
    "memoryPolicy.flags",
    "/linux/memoryPolicy/flags",
    "error",
    (spec) =>
      (spec.linux.memoryPolicy = {
        mode: "MPOL_BIND",
        nodes: "0",
        flags: ["MPOL_F_STATIC_NODES", "MPOL_F_RELATIVE_NODES"],
      }),
  ],
  [
    "memoryPolicy.flags",
    "/linux/memoryPolicy/flags/0",
    "error",
    (spec) => (spec.linux.memoryPolicy = { mode: "MPOL_DEFAULT", flags: ["MPOL_F_STATIC_NODES"] }),
  ],
  [
    "netDevices.networkNamespace",
    "/linux/netDevices",
    "error",
    (spec) => {
      without(spec, "network");
      spec.linux.netDevices = { eth7: {} };
    },
  ],
  ["netDevices.name", "/linux/netDevices/a~1b", "error", (spec) => (spec.linux.netDevices = { "a/b": {} })],
  [
    "netDevices.name",
    "/linux/netDevices/eth7/name",
    "error",
    (spec) => (spec.linux.netDevices = { eth7: { name: "sixteen-letters!" } }),
  ],
  [
    "netDevices.name",
    "/linux/netDevices/eth8",
    "error",
    (spec) => (spec.linux.netDevices = { eth7: { name: "up" }, eth8: { name: "up" } }),
  ],
  ["intelRdt.closID", "/linux/intelRdt/closID", "error", (spec) => (spec.linux.intelRdt = { closID: "a/b" })],
  ["intelRdt.closID", "/linux/intelRdt/closID", "error", (spec) => (spec.linux.intelRdt = { closID: ".." })],
  [
    "intelRdt.schema",
    "/linux/intelRdt/memBwSchema",
    "error",
    (spec) => (spec.linux.intelRdt = { memBwSchema: "MB:0=1\nL3:0=f" }),
  ],
  [
    "intelRdt.schema",
    "/linux/intelRdt/l3CacheSchema",
    "warning",
    (spec) => (spec.linux.intelRdt = { l3CacheSchema: "0=f" }),
  ],
  [
    "intelRdt.schema",
    "/linux/intelRdt/schemata/1",
    "error",
    (spec) => (spec.linux.intelRdt = { schemata: ["L2:0=f", "a\nb"] }),
  ],
];
