import { quote } from "@runlet/errors";
import type { Int64, LinuxBlockIO, LinuxResources, LinuxWeightDevice } from "@runlet/spec";
import type { Unsound } from "../issue.ts";
import { parseNumberList } from "../number-list.ts";
import { present, presentMembers, type Report, type Rule, repeated, rulesAt } from "../rule.ts";
import { deviceRuleRules } from "./devices.ts";

type Subject = Unsound<LinuxResources>;

const throttles = [
  "throttleReadBpsDevice",
  "throttleWriteBpsDevice",
  "throttleReadIOPSDevice",
  "throttleWriteIOPSDevice",
] as const;

/**
 * Rules about limits; the subject are the resources. A zero where the kernel has no such value means unset: engines write
 * it so.
 */
export const resourceRules: readonly Rule<Subject>[] = [
  ...rulesAt({ path: ["devices"], rules: deviceRuleRules, select: (resources: Subject) => resources.devices }),
  {
    id: "resources.memory.range",
    spec: "config-linux.md#memory",
    *check({ memory }) {
      for (const field of ["limit", "reservation", "swap", "kernel", "kernelTCP"] as const) {
        const bytes = memory?.[field];
        if (bytes === undefined || bytes >= -1) continue;
        yield { at: ["memory", field], message: `${bytes} is not a number of bytes`, hint: "-1 is no limit" };
      }
      if (memory?.swappiness !== undefined && memory.swappiness > 100) {
        yield { at: ["memory", "swappiness"], message: `swappiness is from 0 to 100, not ${memory.swappiness}` };
      }
    },
  },
  {
    id: "resources.memory.swap",
    spec: "config-linux.md#memory",
    *check({ memory }) {
      const { limit, swap = 0 } = memory ?? {};
      if (swap <= 0 || limit === undefined || isZero(limit) || (limit > 0 && swap >= limit)) return;
      yield {
        at: ["memory", "swap"],
        message: `swap is memory and swap together, so ${swap} cannot be below the memory limit ${limit}`,
        hint: "-1 is no limit",
      };
    },
  },
  {
    id: "resources.memory.reservation",
    spec: "config-linux.md#memory",
    *check({ memory }) {
      const { limit = 0, reservation = 0 } = memory ?? {};
      if (limit <= 0 || reservation <= limit) return;
      yield {
        at: ["memory", "reservation"],
        message: `the reservation ${reservation} is above the limit ${limit}, so it has no effect`,
        severity: "warning",
      };
    },
  },
  {
    id: "resources.memory.deprecated",
    spec: "config-linux.md#memory",
    *check({ memory }) {
      for (const field of ["kernel", "kernelTCP"] as const) {
        if ((memory?.[field] ?? 0) <= 0) continue;
        yield {
          at: ["memory", field],
          message: `the specification recommends not to use ${field}`,
          severity: "warning",
        };
      }
    },
  },
  {
    id: "resources.cpu.shares",
    spec: "config-linux.md#cpu",
    *check({ cpu }) {
      yield* outsideUnlessZero({ at: ["cpu", "shares"], value: cpu?.shares, from: 2, to: 262_144 });
    },
  },
  {
    id: "resources.cpu.quota",
    spec: "config-linux.md#cpu",
    *check({ cpu }) {
      const { quota = 0, burst = 0, realtimeRuntime = 0, realtimePeriod = 0 } = cpu ?? {};
      yield* outsideUnlessZero({ at: ["cpu", "period"], value: cpu?.period, from: 1000, to: 1_000_000 });
      if (quota < -1 || (quota > 0 && quota < 1000)) {
        yield {
          at: ["cpu", "quota"],
          message: `the kernel takes a quota of 1000 µs at least, not ${quota}`,
          hint: "-1 is no limit",
        };
      }
      if (quota > 0 && burst > quota) {
        yield { at: ["cpu", "burst"], message: `the burst ${burst} is larger than the quota ${quota}` };
      }
      if (realtimeRuntime < -1) {
        yield { at: ["cpu", "realtimeRuntime"], message: `${realtimeRuntime} is not a time`, hint: "-1 is no limit" };
      }
      if (realtimePeriod > 0 && realtimeRuntime > realtimePeriod) {
        const message = `the runtime ${realtimeRuntime} is longer than its period ${realtimePeriod}`;
        yield { at: ["cpu", "realtimeRuntime"], message };
      }
    },
  },
  {
    id: "resources.cpu.idle",
    spec: "config-linux.md#cpu",
    *check({ cpu }) {
      const { idle = 0 } = cpu ?? {};
      if (idle < 0 || idle > 1) yield { at: ["cpu", "idle"], message: `idle is 0 or 1, not ${idle}` };
    },
  },
  {
    id: "resources.cpu.list",
    spec: "config-linux.md#cpu",
    *check({ cpu }) {
      for (const field of ["cpus", "mems"] as const) {
        const list = cpu?.[field];
        if (list === undefined || parseNumberList(list) !== undefined) continue;
        yield { at: ["cpu", field], message: `${quote(list)} is not a list of numbers like "0-3,7"` };
      }
    },
  },
  {
    id: "resources.pids.limit",
    spec: "config-linux.md#pids",
    *check({ pids }) {
      if (pids?.limit === undefined || pids.limit >= -1) return;
      yield { at: ["pids", "limit"], message: `${pids.limit} is not a number of tasks`, hint: "-1 is no limit" };
    },
  },
  {
    id: "resources.blockIO.weight",
    spec: "config-linux.md#block-io",
    *check({ blockIO }) {
      yield* checkWeights(blockIO, ["blockIO"]);
      for (const [index, device] of present(blockIO?.weightDevice)) {
        const at = ["blockIO", "weightDevice", index];
        yield* checkWeights(device, at);
        if (device.weight === undefined && device.leafWeight === undefined) {
          yield { at, message: 'the entry has neither "weight" nor "leafWeight"' };
        }
      }
    },
  },
  {
    id: "resources.blockIO.unique",
    spec: "config-linux.md#block-io",
    *check({ blockIO }) {
      for (const list of ["weightDevice", ...throttles] as const) {
        const devices: readonly (Unsound<LinuxWeightDevice> | undefined)[] = blockIO?.[list] ?? [];
        for (const { index, key, first } of repeated(present(devices), deviceNumbers)) {
          yield {
            at: ["blockIO", list, index],
            message: `the device ${key} has an entry already, number ${first}; the last one counts`,
            severity: "warning",
          };
        }
      }
    },
  },
  {
    id: "resources.blockIO.device",
    spec: "config-linux.md#block-io",
    *check({ blockIO }) {
      for (const list of ["weightDevice", ...throttles] as const) {
        for (const [index, device] of present<Unsound<LinuxWeightDevice>>(blockIO?.[list])) {
          for (const field of ["major", "minor"] as const) {
            const number = device[field];
            if (number === undefined || number >= 0) continue;
            yield { at: ["blockIO", list, index, field], message: `a device has no ${field} number ${number}` };
          }
        }
      }
    },
  },
  {
    id: "resources.hugepageLimits.unique",
    spec: "config-linux.md#huge-page-limits",
    *check({ hugepageLimits }) {
      for (const { index, key, first } of repeated(present(hugepageLimits), ({ pageSize }) => pageSize)) {
        yield { at: ["hugepageLimits", index], message: `pages of ${key} have a limit already, number ${first}` };
      }
    },
  },
  {
    id: "resources.rdma.limits",
    spec: "config-linux.md#rdma",
    *check({ rdma }) {
      for (const [device, limits] of presentMembers(rdma)) {
        if (limits.hcaHandles !== undefined || limits.hcaObjects !== undefined) continue;
        yield { at: ["rdma", device], message: 'the entry has neither "hcaHandles" nor "hcaObjects"' };
      }
    },
  },
  {
    id: "resources.unified.key",
    spec: "config-linux.md#unified",
    *check({ unified }) {
      for (const [key] of presentMembers(unified)) {
        if (/^[a-zA-Z0-9_-]+(?:\.[a-zA-Z0-9_-]+)+$/.test(key)) continue;
        const what = key.includes("/") ? "has a slash" : "is not one like memory.max";
        yield {
          at: ["unified", key],
          message: `a file name of the cgroup is needed: ${quote(key)} ${what}`,
          atKey: true,
        };
      }
    },
  },
  {
    id: "resources.unified.conflict",
    spec: "config-linux.md#unified",
    *check({ unified, memory, pids }) {
      const fields = [
        { key: "memory.max", field: "memory.limit", value: memory?.limit },
        { key: "memory.low", field: "memory.reservation", value: memory?.reservation },
        { key: "pids.max", field: "pids.limit", value: pids?.limit },
      ];
      for (const { key, field, value } of fields) {
        const text = unified?.[key];
        if (
          text === undefined ||
          value === undefined ||
          isZero(value) ||
          text === (value === -1 ? "max" : String(value))
        ) {
          continue;
        }
        yield {
          at: ["unified", key],
          message: `${key} contradicts ${field}, ${value}; it is written last and counts`,
          severity: "warning",
        };
      }
    },
  },
];

/** Rules about limits that are complete, as a config's are; those of an update are added to what there is. */
export const completeResourceRules: readonly Rule<Subject>[] = [
  {
    id: "resources.memory.swapLimit",
    spec: "config-linux.md#memory",
    *check({ memory }) {
      const { limit = 0, swap = 0 } = memory ?? {};
      if (swap <= 0 || !isZero(limit)) return;
      yield {
        at: ["memory", "swap"],
        message: "swap is memory and swap together, so it needs a memory limit",
        hint: 'set "limit"',
      };
    },
  },
];

function* checkWeights(
  weights: Pick<Unsound<LinuxBlockIO>, "weight" | "leafWeight"> | undefined,
  at: readonly (string | number)[],
): Iterable<Report> {
  for (const field of ["weight", "leafWeight"] as const) {
    yield* outsideUnlessZero({ at: [...at, field], value: weights?.[field], from: 10, to: 1000 });
  }
}

function* outsideUnlessZero(options: {
  readonly at: readonly (string | number)[];
  readonly value: Int64 | undefined;
  readonly from: number;
  readonly to: number;
}): Iterable<Report> {
  const { at, value, from, to } = options;
  if (value === undefined || isZero(value) || (value >= from && value <= to)) return;
  yield { at, message: `the kernel takes ${from} to ${to}, not ${value}`, hint: "0 leaves it as it is" };
}

function isZero(value: Int64): boolean {
  return BigInt(value) === 0n;
}

function deviceNumbers({ major, minor }: Unsound<LinuxWeightDevice>): string | undefined {
  return major === undefined || minor === undefined ? undefined : `${major}:${minor}`;
}
