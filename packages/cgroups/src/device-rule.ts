import { quote } from "@runlet/errors";
import type { LinuxDeviceCgroup } from "@runlet/spec";
import { invalidResource, resourcesPointer } from "./resource-value.ts";

/** Bits of access, as `BPF_DEVCG_ACC_*` of <linux/bpf.h> number them. */
export const deviceAccess = { mknod: 1, read: 2, write: 4, all: 7 } as const;

/** A rule for devices, checked. */
export interface DeviceRule {
  readonly allow: boolean;
  /** `a` is every device, with every access. */
  readonly type: "a" | "b" | "c";
  /** Null is every number. */
  readonly major: number | null;
  readonly minor: number | null;
  /** Bits of {@link deviceAccess}, one at least. */
  readonly access: number;
  /** Pointer of the config entry, or the rule of the specification. */
  readonly from: string;
}

const defaultsFrom = "spec:config-linux.md#default-devices";

function defaultRule(type: "b" | "c", numbers: readonly [number | null, number | null], access: number): DeviceRule {
  return { allow: true, type, major: numbers[0], minor: numbers[1], access, from: defaultsFrom };
}

/**
 * What a container may use whatever its list says, as in runc: making any node, and the devices that every /dev has.
 *
 * @see config-linux.md#default-devices
 */
export const defaultDeviceRules: readonly DeviceRule[] = [
  defaultRule("c", [null, null], deviceAccess.mknod),
  defaultRule("b", [null, null], deviceAccess.mknod),
  defaultRule("c", [1, 3], deviceAccess.all), // null
  defaultRule("c", [1, 5], deviceAccess.all), // zero
  defaultRule("c", [1, 7], deviceAccess.all), // full
  defaultRule("c", [1, 8], deviceAccess.all), // random
  defaultRule("c", [1, 9], deviceAccess.all), // urandom
  defaultRule("c", [5, 0], deviceAccess.all), // tty
  defaultRule("c", [5, 2], deviceAccess.all), // ptmx
  defaultRule("c", [136, null], deviceAccess.all), // pts/*
  defaultRule("c", [10, 200], deviceAccess.all), // net/tun
];

/**
 * The rules of a container: everything is denied, then the config's list in its order, then the defaults. As in runc, a
 * list that does not begin by denying is taken as if it did, and no list at all means the defaults.
 *
 * @throws RunletError `ERR_RUNLET_CONFIG_INVALID` with the pointer of the rule.
 */
export function deviceRules(list: readonly LinuxDeviceCgroup[] | undefined): readonly DeviceRule[] {
  const rules = (list ?? []).map(deviceRule);
  const denyAll: DeviceRule = {
    allow: false,
    type: "a",
    major: null,
    minor: null,
    access: deviceAccess.all,
    from: defaultsFrom,
  };
  return [...(rules[0]?.type === "a" ? [] : [denyAll]), ...rules, ...defaultDeviceRules];
}

function deviceRule(rule: LinuxDeviceCgroup, index: number): DeviceRule {
  const from = `${resourcesPointer}/devices/${index}`;
  const type = rule.type ?? "a";
  if (type !== "a" && type !== "b" && type !== "c") {
    throw invalidResource(`${from}/type`, `device rule of the unknown type ${quote(String(type))}`, "use a, b or c");
  }
  const access = accessBits(rule.access ?? "", from);
  const major = deviceNumber(rule.major, `${from}/major`);
  const minor = deviceNumber(rule.minor, `${from}/minor`);
  if (type === "a") {
    if (major !== null || minor !== null) {
      throw invalidResource(
        from,
        'device rule contradicts itself: type "a" is every device, and the rule names one',
        'use type "b" or "c", or leave out major and minor',
      );
    }
    if (access !== deviceAccess.all) {
      throw invalidResource(
        from,
        `device rule contradicts itself: type "a" is every access, and the rule names ${quote(rule.access ?? "")}`,
        'use access "rwm", or one rule each for the types "b" and "c"',
      );
    }
  }
  return { allow: rule.allow, type, major, minor, access, from };
}

function accessBits(access: string, from: string): number {
  let bits = 0;
  for (const letter of access) {
    if (letter === "r") bits |= deviceAccess.read;
    else if (letter === "w") bits |= deviceAccess.write;
    else if (letter === "m") bits |= deviceAccess.mknod;
    else throw invalidResource(`${from}/access`, `device access ${quote(access)} holds another letter than r, w and m`);
  }
  if (bits === 0) {
    throw invalidResource(from, "device access cannot be empty", "name what the rule is about: any of r, w and m");
  }
  return bits;
}

function deviceNumber(value: number | bigint | undefined | null, pointer: string): number | null {
  if (value === undefined || value === null || BigInt(value) === -1n) return null;
  const number = Number(value);
  if (number < 0 || number > 0x7fffffff) {
    throw invalidResource(
      pointer,
      `device number ${value} is out of range`,
      "use the numbers of the device, or -1 for every number",
    );
  }
  return number;
}

/** `rwm` and its parts, in the order in which the kernel prints them. */
function formatAccess(bits: number): string {
  return `${bits & deviceAccess.read ? "r" : ""}${bits & deviceAccess.write ? "w" : ""}${bits & deviceAccess.mknod ? "m" : ""}`;
}

/** `c 1:3 rwm`, as the v1 controller takes and prints it. */
export function formatDeviceRule(rule: Pick<DeviceRule, "type" | "major" | "minor" | "access">): string {
  return `${rule.type} ${rule.major ?? "*"}:${rule.minor ?? "*"} ${formatAccess(rule.access)}`;
}
