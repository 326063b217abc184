import { isRunletError } from "@runlet/errors";
import type { LinuxDeviceCgroup } from "@runlet/spec";
import fc from "fast-check";
import { expect, it } from "vitest";
import { anyRequest, anyRule, type DeviceRequest, isAllowed } from "../../test/device-rules.ts";
import { type DeviceRule, deviceAccess, deviceRules } from "../device-rule.ts";
import type { PlannedWrite } from "../resource-value.ts";
import { deviceList, deviceListWrites, newDeviceListWrites, parseDeviceList } from "./device-list.ts";

/** The v1 controller, as security/device_cgroup.c keeps and asks its list. */
class KernelList {
  allowsByDefault = true;
  readonly exceptions = new Map<string, number>();

  write({ file, value }: PlannedWrite): void {
    const isAllow = file === "devices.allow";
    if (value.startsWith("a")) {
      this.allowsByDefault = isAllow;
      this.exceptions.clear();
      return;
    }
    const [type, numbers, access] = value.split(" ");
    const key = `${type} ${numbers}`;
    const bits = [...(access ?? "")].reduce((sum, letter) => sum | { r: 2, w: 4, m: 1 }[letter as "r" | "w" | "m"], 0);
    const known = this.exceptions.get(key) ?? 0;
    const next = isAllow === this.allowsByDefault ? known & ~bits : known | bits;
    if (next === 0) this.exceptions.delete(key);
    else this.exceptions.set(key, next);
  }

  /** One exception must hold all of the access where the default denies; one that holds any of it denies otherwise. */
  allows({ type, major, minor, access }: DeviceRequest): boolean {
    const keys = [`${type} ${major}:${minor}`, `${type} ${major}:*`, `${type} *:${minor}`, `${type} *:*`];
    const bits = keys.map((key) => this.exceptions.get(key) ?? 0);
    return this.allowsByDefault
      ? bits.every((has) => (has & access) === 0)
      : bits.some((has) => (has & access) === access);
  }

  print(): string {
    if (this.allowsByDefault) return "a *:* rwm";
    return [...this.exceptions]
      .map(
        ([key, bits]) =>
          `${key} ${bits & deviceAccess.read ? "r" : ""}${bits & deviceAccess.write ? "w" : ""}${bits & deviceAccess.mknod ? "m" : ""}`,
      )
      .join("\n");
  }
}

function listOf(rules: readonly DeviceRule[]): ReturnType<typeof deviceList> | undefined {
  try {
    return deviceList(rules);
  } catch (error) {
    if (isRunletError(error)) return undefined;
    throw error;
  }
}

const rules = fc.array(anyRule, { maxLength: 8 });

/** Reading comes from one rule, writing from another, and neither lies within the other. */
const crossedRules: DeviceRule[] = [
  { allow: true, type: "c", major: 1, minor: null, access: deviceAccess.read, from: "/r" },
  { allow: true, type: "c", major: null, minor: 0, access: deviceAccess.write, from: "/r" },
];

it("holds in the kernel what the rules mean, or is refused", () => {
  fc.assert(
    fc.property(rules, anyRequest, (list, request) => {
      const target = listOf(list);
      fc.pre(target !== undefined);
      const kernel = new KernelList();
      for (const write of deviceListWrites(target, null)) kernel.write(write);
      expect(kernel.allows(request)).toBe(isAllowed(list, request));
    }),
    { numRuns: 3000, examples: [[crossedRules, { type: "c", major: 1, minor: 0, access: 6 }]] },
  );
});

it("leads from any list to any other", () => {
  fc.assert(
    fc.property(rules, rules, anyRequest, (before, after, request) => {
      const [first, second] = [listOf(before), listOf(after)];
      fc.pre(first !== undefined && second !== undefined);
      const kernel = new KernelList();
      for (const write of deviceListWrites(first, null)) kernel.write(write);
      for (const write of deviceListWrites(second, parseDeviceList(kernel.print()))) kernel.write(write);
      expect(kernel.allows(request)).toBe(isAllowed(after, request));
    }),
    { numRuns: 2000 },
  );
});

it("never denies on the way what is allowed before and after", () => {
  const denying = fc.array(
    anyRule.filter((rule) => rule.type !== "a"),
    { maxLength: 6 },
  );
  fc.assert(
    fc.property(denying, denying, fc.array(anyRequest, { minLength: 20, maxLength: 20 }), (before, after, requests) => {
      const [first, second] = [listOf(before), listOf(after)];
      fc.pre(first !== undefined && second !== undefined);
      const lasting = requests.filter((request) => isAllowed(before, request) && isAllowed(after, request));
      const kernel = new KernelList();
      for (const write of deviceListWrites(first, null)) kernel.write(write);
      for (const write of deviceListWrites(second, parseDeviceList(kernel.print()))) {
        kernel.write(write);
        for (const request of lasting) expect(kernel.allows(request)).toBe(true);
      }
    }),
    { numRuns: 500 },
  );
});

it("has for a new group what its own devices say, whichever were before", () => {
  const allowed: LinuxDeviceCgroup = { allow: true, type: "c", major: 1, minor: 2, access: "r" };
  const lists = [undefined, [], [allowed], [{ ...allowed, minor: 3 }]];
  for (const devices of [...lists, ...lists.toReversed(), ...lists]) {
    expect(newDeviceListWrites(devices)).toEqual(deviceListWrites(deviceList(deviceRules(devices)), null));
  }
});
