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
    check({ memory }, report) {
      for (const field of ["limit", "reservation", "swap", "kernel", "kernelTCP"] as const) {
        const bytes = memory?.[field];
        if (bytes === undefined || bytes >= -1) continue;
        report({ at: ["memory", field], message: `${bytes} is not a number of bytes`, hint: "-1 is no limit" });
      }
      if (memory?.swappiness !== undefined && memory.swappiness > 100) {
        report({ at: ["memory", "swappiness"], message: `swappiness is from 0 to 100, not ${memory.swappiness}` });
      }
    },
  },
  {
    id: "resources.memory.swap",
    spec: "config-linux.md#memory",
    check({ memory }, report) {
      const { limit, swap = 0 } = memory ?? {};
      if (swap <= 0 || limit === undefined || isZero(limit) || (limit > 0 && swap >= limit)) return;
      report({
        at: ["memory", "swap"],
        message: `swap is memory and swap together, so ${swap} cannot be below the memory limit ${limit}`,
        hint: "-1 is no limit",
      });
    },
  },
  {
    id: "resources.memory.reservation",
    spec: "config-linux.md#memory",
    check({ memory }, report) {
      const { limit = 0, reservation = 0 } = memory ?? {};
      if (limit <= 0 || reservation <= limit) return;
      report({
        at: ["memory", "reservation"],
        message: `the reservation ${reservation} is above the limit ${limit}, so it has no effect`,
        severity: "warning",
      });
    },
  },
  {
    id: "resources.memory.deprecated",
    spec: "config-linux.md#memory",
    check({ memory }, report) {
      for (const field of ["kernel", "kernelTCP"] as const) {
        if ((memory?.[field] ?? 0) <= 0) continue;
        report({
          at: ["memory", field],
          message: `the specification recommends not to use ${field}`,
          severity: "warning",
        });
      }
    },
  },
  {
    id: "resources.cpu.shares",
    spec: "config-linux.md#cpu",
    check({ cpu }, report) {
      for (const found of outsideUnlessZero({ at: ["cpu", "shares"], value: cpu?.shares, from: 2, to: 262_144 }))
        report(found);
    },
  },
  {
    id: "resources.cpu.quota",
    spec: "config-linux.md#cpu",
    check({ cpu }, report) {
      const { quota = 0, burst = 0, realtimeRuntime = 0, realtimePeriod = 0 } = cpu ?? {};
      for (const found of outsideUnlessZero({ at: ["cpu", "period"], value: cpu?.period, from: 1000, to: 1_000_000 }))
        report(found);
      if (quota < -1 || (quota > 0 && quota < 1000)) {
        report({
          at: ["cpu", "quota"],
          message: `the kernel takes a quota of 1000 µs at least, not ${quota}`,
          hint: "-1 is no limit",
        });
      }
      if (quota > 0 && burst > quota) {
        report({ at: ["cpu", "burst"], message: `the burst ${burst} is larger than the quota ${quota}` });
      }
      if (realtimeRuntime < -1) {
        report({ at: ["cpu", "realtimeRuntime"], message: `${realtimeRuntime} is not a time`, hint: "-1 is no limit" });
      }
      if (realtimePeriod > 0 && realtimeRuntime > realtimePeriod) {
        const message = `the runtime ${realtimeRuntime} is longer than its period ${realtimePeriod}`;
        report({ at: ["cpu", "realtimeRuntime"], message });
      }
    },
  },
  {
    id: "resources.cpu.idle",
    spec: "config-linux.md#cpu",
    check({ cpu }, report) {
      const { idle = 0 } = cpu ?? {};
      if (idle < 0 || idle > 1) report({ at: ["cpu", "idle"], message: `idle is 0 or 1, not ${idle}` });
    },
  },
  {
    id: "resources.cpu.list",
    spec: "config-linux.md#cpu",
    check({ cpu }, report) {
      for (const field of ["cpus", "mems"] as const) {
        const list = cpu?.[field];
        if (list === undefined || parseNumberList(list) !== undefined) continue;
        report({ at: ["cpu", field], message: `${quote(list)} is not a list of numbers like "0-3,7"` });
      }
    },
  },
  {
    id: "resources.pids.limit",
    spec: "config-linux.md#pids",
    check({ pids }, report) {
      if (pids?.limit === undefined || pids.limit >= -1) return;
      report({ at: ["pids", "limit"], message: `${pids.limit} is not a number of tasks`, hint: "-1 is no limit" });
    },
  },
  {
    id: "resources.blockIO.weight",
    spec: "config-linux.md#block-io",
    check({ blockIO }, report) {
      for (const found of checkWeights(blockIO, ["blockIO"])) report(found);
      for (const [index, device] of present(blockIO?.weightDevice)) {
        const at = ["blockIO", "weightDevice", index];
        for (const found of checkWeights(device, at)) report(found);
        if (device.weight === undefined && device.leafWeight === undefined) {
          report({ at, message: 'the entry has neither "weight" nor "leafWeight"' });
        }
      }
    },
  },
  {
    id: "resources.blockIO.unique",
    spec: "config-linux.md#block-io",
    check({ blockIO }, report) {
      for (const list of ["weightDevice", ...throttles] as const) {
        const devices: readonly (Unsound<LinuxWeightDevice> | undefined)[] = blockIO?.[list] ?? [];
        for (const { index, key, first } of repeated(present(devices), deviceNumbers)) {
          report({
            at: ["blockIO", list, index],
            message: `the device ${key} has an entry already, number ${first}; the last one counts`,
            severity: "warning",
          });
        }
      }
    },
  },
  {
    id: "resources.blockIO.device",
    spec: "config-linux.md#block-io",
    check({ blockIO }, report) {
      for (const list of ["weightDevice", ...throttles] as const) {
        for (const [index, device] of present<Unsound<LinuxWeightDevice>>(blockIO?.[list])) {
          for (const field of ["major", "minor"] as const) {
            const number = device[field];
            if (number === undefined || number >= 0) continue;
            report({ at: ["blockIO", list, index, field], message: `a device has no ${field} number ${number}` });
          }
        }
      }
    },
  },
  {
    id: "resources.hugepageLimits.unique",
    spec: "config-linux.md#huge-page-limits",
    check({ hugepageLimits }, report) {
      for (const { index, key, first } of repeated(present(hugepageLimits), ({ pageSize }) => pageSize)) {
        report({ at: ["hugepageLimits", index], message: `pages of ${key} have a limit already, number ${first}` });
      }
    },
  },
  {
    id: "resources.rdma.limits",
    spec: "config-linux.md#rdma",
    check({ rdma }, report) {
      for (const [device, limits] of presentMembers(rdma)) {
        if (limits.hcaHandles !== undefined || limits.hcaObjects !== undefined) continue;
        report({ at: ["rdma", device], message: 'the entry has neither "hcaHandles" nor "hcaObjects"' });
      }
    },
  },
  {
    id: "resources.unified.key",
    spec: "config-linux.md#unified",
    check({ unified }, report) {
      for (const [key] of presentMembers(unified)) {
        if (/^[a-zA-Z0-9_-]+(?:\.[a-zA-Z0-9_-]+)+$/.test(key)) continue;
        const what = key.includes("/") ? "has a slash" : "is not one like memory.max";
        report({
          at: ["unified", key],
          message: `a file name of the cgroup is needed: ${quote(key)} ${what}`,
          atKey: true,
        });
      }
    },
  },
  {
    id: "resources.unified.conflict",
    spec: "config-linux.md#unified",
    check({ unified, memory, pids }, report) {
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
        report({
          at: ["unified", key],
          message: `${key} contradicts ${field}, ${value}; it is written last and counts`,
          severity: "warning",
        });
      }
    },
  },
];

/** Rules about limits that are complete, as a config's are; those of an update are added to what there is. */
export const completeResourceRules: readonly Rule<Subject>[] = [
  {
    id: "resources.memory.swapLimit",
    spec: "config-linux.md#memory",
    check({ memory }, report) {
      const { limit = 0, swap = 0 } = memory ?? {};
      if (swap <= 0 || !isZero(limit)) return;
      report({
        at: ["memory", "swap"],
        message: "swap is memory and swap together, so it needs a memory limit",
        hint: 'set "limit"',
      });
    },
  },
];

function checkWeights(
  weights: Pick<Unsound<LinuxBlockIO>, "weight" | "leafWeight"> | undefined,
  at: readonly (string | number)[],
): Report[] {
  return (["weight", "leafWeight"] as const).flatMap((field) =>
    outsideUnlessZero({ at: [...at, field], value: weights?.[field], from: 10, to: 1000 }),
  );
}

function outsideUnlessZero(options: {
  readonly at: readonly (string | number)[];
  readonly value: Int64 | undefined;
  readonly from: number;
  readonly to: number;
}): Report[] {
  const { at, value, from, to } = options;
  if (value === undefined || isZero(value) || (value >= from && value <= to)) return [];
  return [{ at, message: `the kernel takes ${from} to ${to}, not ${value}`, hint: "0 leaves it as it is" }];
}

function isZero(value: Int64): boolean {
  return BigInt(value) === 0n;
}

function deviceNumbers({ major, minor }: Unsound<LinuxWeightDevice>): string | undefined {
  return major === undefined || minor === undefined ? undefined : `${major}:${minor}`;
}
