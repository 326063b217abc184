import { character, type Fixture } from "./example.ts";

/** What the rules about devices and limits find, each alone. */
export const resourcesFixtures: readonly Fixture[] = [
  ["devices.path", "/linux/devices/0/path", "error", (spec) => (spec.linux.devices = [{ ...character, path: "fuse" }])],
  [
    "devices.numbers",
    "/linux/devices/0",
    "error",
    (spec) => (spec.linux.devices = [{ type: "b", path: "/dev/sda", major: 8 }]),
  ],
  [
    "devices.numbers",
    "/linux/devices/0/major",
    "error",
    (spec) => (spec.linux.devices = [{ ...character, major: 4096 }]),
  ],
  [
    "devices.fileMode",
    "/linux/devices/0/fileMode",
    "error",
    (spec) => (spec.linux.devices = [{ ...character, fileMode: 0o060666 }]),
  ],
  [
    "devices.fileMode",
    "/linux/devices/0/fileMode",
    "error",
    (spec) => (spec.linux.devices = [{ ...character, fileMode: 0o200000 }]),
  ],
  [
    "devices.unique",
    "/linux/devices/1",
    "error",
    (spec) => (spec.linux.devices = [character, { ...character, minor: 1 }]),
  ],
  [
    "devices.unique",
    "/linux/devices/1",
    "warning",
    (spec) => (spec.linux.devices = [character, { ...character, path: "/dev/other" }]),
  ],
  [
    "devices.unique",
    "/linux/devices/1",
    "warning",
    (spec) => (spec.linux.devices = [character, { ...character, uid: 1 }]),
  ],
  [
    "resources.devices.access",
    "/linux/resources/devices/0",
    "error",
    (spec) => (spec.linux.resources.devices = [{ allow: false }]),
  ],
  [
    "resources.devices.access",
    "/linux/resources/devices/0/access",
    "error",
    (spec) => (spec.linux.resources.devices = [{ allow: false, access: "" }]),
  ],
  [
    "resources.devices.access",
    "/linux/resources/devices/0/access",
    "warning",
    (spec) => (spec.linux.resources.devices = [{ allow: false, access: "rr" }]),
  ],
  [
    "resources.devices.type",
    "/linux/resources/devices/0/minor",
    "error",
    (spec) => (spec.linux.resources.devices = [{ allow: true, type: "a", minor: 3, access: "r" }]),
  ],
  [
    "resources.devices.numbers",
    "/linux/resources/devices/0/major",
    "error",
    (spec) => (spec.linux.resources.devices = [{ allow: true, type: "c", major: -2, access: "r" }]),
  ],
  [
    "resources.devices.contradiction",
    "/linux/resources/devices/1",
    "warning",
    (spec) =>
      (spec.linux.resources.devices = [
        { allow: true, type: "c", major: 1, minor: 3, access: "rw" },
        { allow: false, type: "c", major: 1, minor: 3, access: "wr" },
      ]),
  ],
  [
    "resources.memory.range",
    "/linux/resources/memory/limit",
    "error",
    (spec) => (spec.linux.resources.memory = { limit: -2 }),
  ],
  [
    "resources.memory.range",
    "/linux/resources/memory/swappiness",
    "error",
    (spec) => (spec.linux.resources.memory = { swappiness: 101 }),
  ],
  [
    "resources.memory.swap",
    "/linux/resources/memory/swap",
    "error",
    (spec) => (spec.linux.resources.memory = { limit: 2000, swap: 1999 }),
  ],
  [
    "resources.memory.swapLimit",
    "/linux/resources/memory/swap",
    "error",
    (spec) => (spec.linux.resources.memory = { swap: 1999 }),
  ],
  [
    "resources.memory.swap",
    "/linux/resources/memory/swap",
    "error",
    (spec) => (spec.linux.resources.memory = { limit: -1, swap: 1999 }),
  ],
  [
    "resources.memory.reservation",
    "/linux/resources/memory/reservation",
    "warning",
    (spec) => (spec.linux.resources.memory = { limit: 2000, reservation: 2001 }),
  ],
  [
    "resources.memory.deprecated",
    "/linux/resources/memory/kernel",
    "warning",
    (spec) => (spec.linux.resources.memory = { kernel: 5 }),
  ],
  [
    "resources.cpu.shares",
    "/linux/resources/cpu/shares",
    "error",
    (spec) => (spec.linux.resources.cpu = { shares: 1 }),
  ],
  [
    "resources.cpu.shares",
    "/linux/resources/cpu/shares",
    "error",
    (spec) => (spec.linux.resources.cpu = { shares: 262_145 }),
  ],
  ["resources.cpu.quota", "/linux/resources/cpu/quota", "error", (spec) => (spec.linux.resources.cpu = { quota: 999 })],
  ["resources.cpu.quota", "/linux/resources/cpu/quota", "error", (spec) => (spec.linux.resources.cpu = { quota: -2 })],
  [
    "resources.cpu.quota",
    "/linux/resources/cpu/period",
    "error",
    (spec) => (spec.linux.resources.cpu = { period: 1_000_001 }),
  ],
  [
    "resources.cpu.quota",
    "/linux/resources/cpu/burst",
    "error",
    (spec) => (spec.linux.resources.cpu = { quota: 5000, burst: 5001 }),
  ],
  [
    "resources.cpu.quota",
    "/linux/resources/cpu/realtimeRuntime",
    "error",
    (spec) => (spec.linux.resources.cpu = { realtimeRuntime: 11, realtimePeriod: 10 }),
  ],
  ["resources.cpu.idle", "/linux/resources/cpu/idle", "error", (spec) => (spec.linux.resources.cpu = { idle: 2 })],
  ["resources.cpu.list", "/linux/resources/cpu/mems", "error", (spec) => (spec.linux.resources.cpu = { mems: "a" })],
  [
    "resources.pids.limit",
    "/linux/resources/pids/limit",
    "error",
    (spec) => (spec.linux.resources.pids = { limit: -2 }),
  ],
  [
    "resources.blockIO.weight",
    "/linux/resources/blockIO/weight",
    "error",
    (spec) => (spec.linux.resources.blockIO = { weight: 9 }),
  ],
  [
    "resources.blockIO.weight",
    "/linux/resources/blockIO/weightDevice/0",
    "error",
    (spec) => (spec.linux.resources.blockIO = { weightDevice: [{ major: 8, minor: 0 }] }),
  ],
  [
    "resources.blockIO.weight",
    "/linux/resources/blockIO/weightDevice/0/leafWeight",
    "error",
    (spec) => (spec.linux.resources.blockIO = { weightDevice: [{ major: 8, minor: 0, leafWeight: 1001 }] }),
  ],
  [
    "resources.blockIO.unique",
    "/linux/resources/blockIO/throttleReadBpsDevice/1",
    "warning",
    (spec) =>
      (spec.linux.resources.blockIO = {
        throttleReadBpsDevice: [
          { major: 8, minor: 0, rate: 1 },
          { major: 8, minor: 0, rate: 2 },
        ],
      }),
  ],
  [
    "resources.blockIO.device",
    "/linux/resources/blockIO/throttleWriteIOPSDevice/0/minor",
    "error",
    (spec) => (spec.linux.resources.blockIO = { throttleWriteIOPSDevice: [{ major: 8, minor: -1, rate: 1 }] }),
  ],
  [
    "resources.hugepageLimits.unique",
    "/linux/resources/hugepageLimits/1",
    "error",
    (spec) =>
      (spec.linux.resources.hugepageLimits = [
        { pageSize: "2MB", limit: 1 },
        { pageSize: "2MB", limit: 2 },
      ]),
  ],
  [
    "resources.rdma.limits",
    "/linux/resources/rdma/mlx5_1",
    "error",
    (spec) => (spec.linux.resources.rdma = { mlx5_1: {} }),
  ],
  [
    "resources.unified.key",
    "/linux/resources/unified/..~1memory.max",
    "error",
    (spec) => (spec.linux.resources.unified = { "../memory.max": "1" }),
  ],
  [
    "resources.unified.key",
    "/linux/resources/unified/memory",
    "error",
    (spec) => (spec.linux.resources.unified = { memory: "1" }),
  ],
  [
    "resources.unified.conflict",
    "/linux/resources/unified/memory.max",
    "warning",
    (spec) => {
      spec.linux.resources.memory = { limit: 5000 };
      spec.linux.resources.unified = { "memory.max": "6000" };
    },
  ],
];
