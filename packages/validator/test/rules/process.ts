import { addUserNamespace, type Fixture, setCapabilities } from "./example.ts";

/** What the rules about the process, hooks and annotations find, each alone. */
export const processFixtures: readonly Fixture[] = [
  ["ociVersion.semVer", "/ociVersion", "error", (spec) => (spec.ociVersion = "1.0")],
  ["ociVersion.semVer", "/ociVersion", "error", (spec) => (spec.ociVersion = "v1.0.2")],
  ["ociVersion.semVer", "/ociVersion", "error", (spec) => (spec.ociVersion = "1.0.0-01")],
  ["ociVersion.semVer", "/ociVersion", "error", (spec) => (spec.ociVersion = "2.0.0")],
  ["annotations.key", "/annotations/", "error", (spec) => Object.assign(spec, { annotations: { "": "x" } })],
  [
    "hooks.path",
    "/hooks/poststop/0/path",
    "error",
    (spec) => Object.assign(spec, { hooks: { poststop: [{ path: "bin/x" }] } }),
  ],
  [
    "hooks.env",
    "/hooks/poststart/0/env/1",
    "warning",
    (spec) => Object.assign(spec, { hooks: { poststart: [{ path: "/x", env: ["A=", "=B"] }] } }),
  ],
  ["process.args", "/process/args", "error", (spec) => (spec.process.args = [])],
  ["process.args", "/process", "error", (spec) => delete spec.process.args],
  ["process.args", "/process/args/0", "error", (spec) => (spec.process.args = [""])],
  ["process.env", "/process/env/0", "warning", (spec) => (spec.process.env = ["PATH"])],
  ["process.required", "", "error", (spec) => Reflect.deleteProperty(spec, "process")],
  ["process.cwd", "/process/cwd", "error", (spec) => (spec.process.cwd = "srv")],
  ["process.umask", "/process/user/umask", "error", (spec) => (spec.process.user.umask = 0o1000)],
  [
    "rlimits.type",
    "/process/rlimits/0/type",
    "error",
    (spec) => (spec.process.rlimits = [{ type: "RLIMIT_NOFILES", soft: 1, hard: 1 }]),
  ],
  [
    "rlimits.unique",
    "/process/rlimits/1",
    "error",
    (spec) =>
      (spec.process.rlimits = [
        { type: "RLIMIT_CORE", soft: 1, hard: 1 },
        { type: "RLIMIT_CORE", soft: 2, hard: 2 },
      ]),
  ],
  [
    "rlimits.order",
    "/process/rlimits/0/soft",
    "error",
    (spec) => (spec.process.rlimits = [{ type: "RLIMIT_CORE", soft: 2n ** 64n - 1n, hard: 2n ** 64n - 2n }]),
  ],
  [
    "ioPriority.idle",
    "/process/ioPriority/priority",
    "warning",
    (spec) => (spec.process.ioPriority = { class: "IOPRIO_CLASS_IDLE", priority: 4 }),
  ],
  [
    "execCPUAffinity.list",
    "/process/execCPUAffinity/initial",
    "error",
    (spec) => (spec.process.execCPUAffinity = { initial: "3-1" }),
  ],
  [
    "execCPUAffinity.list",
    "/process/execCPUAffinity/final",
    "error",
    (spec) => (spec.process.execCPUAffinity = { final: "1,,2" }),
  ],
  [
    "scheduler.policy",
    "/process/scheduler/policy",
    "error",
    (spec) => (spec.process.scheduler = { policy: "SCHED_ISO" }),
  ],
  [
    "scheduler.nice",
    "/process/scheduler/nice",
    "error",
    (spec) => (spec.process.scheduler = { policy: "SCHED_OTHER", nice: 20 }),
  ],
  [
    "scheduler.nice",
    "/process/scheduler/nice",
    "warning",
    (spec) => (spec.process.scheduler = { policy: "SCHED_RR", nice: 5, priority: 1 }),
  ],
  ["scheduler.priority", "/process/scheduler", "error", (spec) => (spec.process.scheduler = { policy: "SCHED_FIFO" })],
  [
    "scheduler.priority",
    "/process/scheduler/priority",
    "error",
    (spec) => (spec.process.scheduler = { policy: "SCHED_FIFO", priority: 100 }),
  ],
  [
    "scheduler.priority",
    "/process/scheduler/priority",
    "error",
    (spec) => (spec.process.scheduler = { policy: "SCHED_BATCH", priority: 1 }),
  ],
  [
    "scheduler.deadline",
    "/process/scheduler/runtime",
    "error",
    (spec) => (spec.process.scheduler = { policy: "SCHED_OTHER", runtime: 2n ** 60n }),
  ],
  [
    "scheduler.deadline",
    "/process/scheduler",
    "error",
    (spec) => (spec.process.scheduler = { policy: "SCHED_DEADLINE", runtime: 3_000_000, deadline: 2_000_000 }),
  ],
  [
    "scheduler.deadline",
    "/process/scheduler",
    "error",
    (spec) => (spec.process.scheduler = { policy: "SCHED_DEADLINE", runtime: 1000, deadline: 2_000_000 }),
  ],
  [
    "scheduler.flags",
    "/process/scheduler/flags/0",
    "error",
    (spec) => (spec.process.scheduler = { policy: "SCHED_OTHER", flags: ["SCHED_FLAG_RECLAIM"] }),
  ],
  [
    "scheduler.flags",
    "/process/scheduler/flags/0",
    "warning",
    (spec) => (spec.process.scheduler = { policy: "SCHED_OTHER", flags: ["SCHED_FLAG_UTIL_CLAMP_MIN"] }),
  ],
  [
    "capabilities.unknown",
    "/process/capabilities/bounding/0",
    "warning",
    (spec) => setCapabilities(spec, { bounding: ["SYS_ADMIN"] }),
  ],
  [
    "capabilities.effective",
    "/process/capabilities/effective/0",
    "error",
    (spec) => setCapabilities(spec, { effective: ["CAP_KILL"] }),
  ],
  [
    "capabilities.inheritable",
    "/process/capabilities/inheritable/0",
    "error",
    (spec) => setCapabilities(spec, { inheritable: ["CAP_KILL"] }),
  ],
  [
    "capabilities.ambient",
    "/process/capabilities/ambient/0",
    "warning",
    (spec) => setCapabilities(spec, { permitted: ["CAP_KILL"], ambient: ["CAP_KILL"] }),
  ],
  [
    "process.userMapped",
    "/process/user/uid",
    "error",
    (spec) => {
      addUserNamespace(spec);
      spec.process.user.uid = 65_536;
    },
  ],
  [
    "process.userMapped",
    "/process/user/additionalGids/1",
    "error",
    (spec) => {
      addUserNamespace(spec);
      spec.process.user.additionalGids = [1, 70_000];
    },
  ],
];
