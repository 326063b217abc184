import { addUserNamespace, character, type Example, mapAll, setOptions, without } from "./example.ts";

/** What no rule minds. */
export const harmless: readonly (readonly [what: string, change: (spec: Example) => void])[] = [
  ["the default", () => {}],
  ["the version that engines write", (spec) => (spec.ociVersion = "1.0.2-dev")],
  [
    "zeros that mean unset",
    (spec) => {
      spec.linux.resources.cpu = { shares: 0, quota: 0, period: 0, realtimePeriod: 0, realtimeRuntime: 0 };
      spec.linux.resources.memory = { limit: 0, swap: 0, reservation: 0, kernel: 0, kernelTCP: 0 };
      spec.linux.resources.blockIO = { weight: 0, leafWeight: 0 };
      spec.linux.resources.pids = { limit: 0 };
    },
  ],
  [
    "limits that are lifted",
    (spec) => {
      spec.linux.resources.memory = { limit: -1, swap: -1, reservation: -1, kernel: -1 };
      spec.linux.resources.cpu = { quota: -1, realtimeRuntime: -1 };
      spec.linux.resources.pids = { limit: -1 };
    },
  ],
  [
    "the same destination twice",
    (spec) => spec.mounts.push({ destination: "/dev/shm", source: "/run/shm", type: "bind", options: ["rbind"] }),
  ],
  [
    "several network devices of one template",
    (spec) => (spec.linux.netDevices = { eth7: { name: "eth%d" }, eth8: { name: "eth%d" } }),
  ],
  ["a mode with the bits of its type", (spec) => (spec.linux.devices = [{ ...character, fileMode: 8630 }])],
  [
    "device rules of engines",
    (spec) =>
      (spec.linux.resources.devices = [
        { allow: false, access: "rwm" },
        { allow: true, type: "c", major: 5, minor: 1, access: "rmw" },
        { allow: true, type: "b", major: 8, minor: -1, access: "m" },
        { allow: false, type: "a", major: -1, minor: -1, access: "rwm" },
      ]),
  ],
  [
    "empty strings of Go programs",
    (spec) => {
      without(spec, "uts");
      spec.linux.namespaces.push({ type: "cgroup", path: "" });
      Object.assign(spec, { hostname: "", domainname: "" });
    },
  ],
  [
    "a user namespace that is joined",
    (spec) => {
      spec.linux.namespaces.push({ type: "user", path: "/proc/7/ns/user" });
      spec.process.user.uid = 70_000;
    },
  ],
  [
    "mappings that touch",
    (spec) => addUserNamespace(spec, [...mapAll, { containerID: 65_536, hostID: 165_536, size: 10 }]),
  ],
  [
    "340 mappings",
    (spec) =>
      addUserNamespace(
        spec,
        Array.from({ length: 340 }, (_, index) => ({ containerID: index, hostID: 1000 + index, size: 1 })),
      ),
  ],
  [
    "a remount without a source",
    (spec) => {
      spec.mounts.push({ destination: "/proc", options: ["remount", "bind", "ro"] });
    },
  ],
  ["the highest id", (spec) => addUserNamespace(spec, [{ containerID: 0, hostID: 0, size: 4_294_967_295 }])],
  [
    "ids of the user namespace for a mount",
    (spec) => {
      addUserNamespace(spec);
      setOptions(spec, ["bind", "idmap"]);
    },
  ],
  [
    "options of file systems",
    (spec) =>
      spec.mounts.push({ destination: "/x", type: "overlay", source: "overlay", options: ["lowerdir=/a", "xino=off"] }),
  ],
  ["propagation alone", (spec) => spec.mounts.push({ destination: "/x", options: ["rslave"] })],
  [
    "no hard limit",
    (spec) => (spec.process.rlimits = [{ type: "RLIMIT_CORE", soft: 2n ** 64n - 1n, hard: 2n ** 64n - 1n }]),
  ],
  [
    "a deadline without a period",
    (spec) =>
      (spec.process.scheduler = {
        policy: "SCHED_DEADLINE",
        runtime: 1024,
        deadline: 2048,
        flags: ["SCHED_FLAG_DL_OVERRUN"],
      }),
  ],
  [
    "the sysctls of engines",
    (spec) => {
      spec.linux.sysctl = {
        "net.ipv4.ping_group_range": "0 0",
        "net/ipv4/conf/eth0.100/rp_filter": "1",
        "kernel.domainname": "example.org",
        "kernel.shm_rmid_forced": "0",
      };
    },
  ],
  [
    "a profile of engines",
    (spec) =>
      (spec.linux.seccomp = {
        defaultAction: "SCMP_ACT_ERRNO",
        defaultErrnoRet: 38,
        architectures: ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
        syscalls: [
          { names: ["clone3"], action: "SCMP_ACT_ERRNO", errnoRet: 38 },
          { names: ["_llseek", "write"], action: "SCMP_ACT_ALLOW" },
        ],
      }),
  ],
  ["the paths of systemd", (spec) => (spec.linux.cgroupsPath = "machine.slice:libpod:a..b")],
  [
    "the same limit in both words",
    (spec) => {
      spec.linux.resources.memory = { limit: -1 };
      spec.linux.resources.unified = { "memory.max": "max" };
    },
  ],
];
