import type { LinuxDeviceCgroup } from "@runlet/spec";
import { type DeviceRule, deviceAccess, deviceRules, formatDeviceRule } from "../device-rule.ts";
import { invalidResource, type PlannedWrite } from "../resource-value.ts";

/** One exception of a device list. */
interface Exception {
  readonly type: "b" | "c";
  readonly major: number | null;
  readonly minor: number | null;
  readonly access: number;
  readonly from: string;
}

/**
 * What the v1 controller holds: allow or deny everything, but for exceptions. It keeps no order, so a list of rules is
 * brought to this form first.
 *
 * @see Documentation/admin-guide/cgroup-v1/devices.rst
 */
export interface DeviceList {
  readonly allowsByDefault: boolean;
  /** By type and numbers, `c 1:3`. */
  readonly exceptions: ReadonlyMap<string, Exception>;
  /** What set the default. */
  readonly from: string;
}

/**
 * The list that rules add up to, a later rule winning over an earlier one.
 *
 * @throws RunletError `ERR_RUNLET_CONFIG_INVALID` for rules that such a list cannot say: an exception to an exception.
 */
export function deviceList(rules: readonly DeviceRule[]): DeviceList {
  let allowsByDefault = false;
  let from = "spec:config-linux.md#default-devices";
  const exceptions = new Map<string, Exception>();
  for (const rule of rules) {
    if (rule.type === "a") {
      allowsByDefault = rule.allow;
      from = rule.from;
      exceptions.clear();
    } else if (rule.allow !== allowsByDefault) {
      add(exceptions, rule);
    } else {
      remove(exceptions, rule);
    }
  }
  return { allowsByDefault, exceptions: widened(exceptions), from };
}

function keyOf(rule: Pick<DeviceRule, "type" | "major" | "minor">): string {
  return `${rule.type} ${rule.major ?? "*"}:${rule.minor ?? "*"}`;
}

function add(exceptions: Map<string, Exception>, rule: Omit<DeviceRule, "allow">): void {
  const key = keyOf(rule);
  const access = rule.access | (exceptions.get(key)?.access ?? 0);
  exceptions.set(key, { type: rule.type as "b" | "c", major: rule.major, minor: rule.minor, access, from: rule.from });
}

function remove(exceptions: Map<string, Exception>, rule: DeviceRule): void {
  for (const [key, exception] of exceptions) {
    if (exception.type !== rule.type || (exception.access & rule.access) === 0) continue;
    if (covers(rule, exception)) {
      const access = exception.access & ~rule.access;
      if (access === 0) exceptions.delete(key);
      else exceptions.set(key, { ...exception, access });
    } else if (overlaps(rule, exception)) {
      throw invalidResource(
        rule.from,
        `device rule contradicts ${exception.from}: cgroup v1 cannot ${rule.allow ? "allow" : "deny"} ${formatDeviceRule(rule)} within ${formatDeviceRule(exception)}`,
        "name the devices in the wider rule one by one",
      );
    }
  }
}

function covers(wide: Pick<DeviceRule, "major" | "minor">, narrow: Pick<DeviceRule, "major" | "minor">): boolean {
  return (wide.major === null || wide.major === narrow.major) && (wide.minor === null || wide.minor === narrow.minor);
}

function overlaps(one: Pick<DeviceRule, "major" | "minor">, other: Pick<DeviceRule, "major" | "minor">): boolean {
  return (
    (one.major === null || other.major === null || one.major === other.major) &&
    (one.minor === null || other.minor === null || one.minor === other.minor)
  );
}

/**
 * The kernel asks one exception for all that an open(2) wants. Where reading comes from one exception and writing from
 * another, what both hold gets both: the narrow one, or an exception of its own where neither lies within the other.
 */
function widened(exceptions: ReadonlyMap<string, Exception>): ReadonlyMap<string, Exception> {
  const both = deviceAccess.read | deviceAccess.write;
  const opened = [...exceptions.values()].filter(({ access }) => (access & both) !== 0);
  const wide = new Map(exceptions);
  for (const one of opened) {
    for (const other of opened) {
      const isCrossed = one.type === other.type && one.major !== null && other.minor !== null && overlaps(one, other);
      if (isCrossed && !covers(one, other) && !covers(other, one) && ((one.access ^ other.access) & both) !== 0)
        add(wide, { ...one, minor: other.minor, access: both });
    }
  }
  for (const [key, exception] of wide) {
    let access = exception.access;
    for (const other of opened)
      if ((access & both) !== 0 && other.type === exception.type && covers(other, exception))
        access |= other.access & both;
    if (access !== exception.access) wide.set(key, { ...exception, access });
  }
  return wide;
}

/**
 * Reads `devices.list`. A list that allows by default does not show its exceptions.
 *
 * @returns null for a list whose exceptions cannot be known.
 */
export function parseDeviceList(text: string): DeviceList | null {
  const exceptions = new Map<string, Exception>();
  for (const line of text.split("\n")) {
    const match = /^([abc]) (\*|\d+):(\*|\d+) ([rwm]+)$/.exec(line);
    if (match === null) continue;
    const [, type, major, minor, letters] = match;
    if (type === "a") return null;
    const access =
      (letters?.includes("r") ? deviceAccess.read : 0) |
      (letters?.includes("w") ? deviceAccess.write : 0) |
      (letters?.includes("m") ? deviceAccess.mknod : 0);
    const exception: Exception = {
      type: type as "b" | "c",
      major: major === "*" ? null : Number(major),
      minor: minor === "*" ? null : Number(minor),
      access,
      from: "",
    };
    exceptions.set(keyOf(exception), exception);
  }
  return { allowsByDefault: false, exceptions, from: "" };
}

/**
 * The writes that lead to a list: from `current` if it is known and of the same kind, so that what stays allowed is allowed at
 * every moment; else from the beginning.
 */
export function deviceListWrites(target: DeviceList, current: DeviceList | null): PlannedWrite[] {
  const writes: PlannedWrite[] = [];
  const write = (allow: boolean, rule: Omit<Exception, "from">, from: string): void => {
    writes.push({
      from,
      controller: "devices",
      file: allow ? "devices.allow" : "devices.deny",
      value: formatDeviceRule(rule),
    });
  };
  const isStep = current !== null && current.allowsByDefault === target.allowsByDefault;
  if (!isStep) {
    writes.push({
      from: target.from,
      controller: "devices",
      file: target.allowsByDefault ? "devices.allow" : "devices.deny",
      value: "a *:* rwm",
    });
  }
  for (const [key, exception] of target.exceptions) {
    const missing = exception.access & ~(isStep ? (current.exceptions.get(key)?.access ?? 0) : 0);
    if (missing !== 0) write(!target.allowsByDefault, { ...exception, access: missing }, exception.from);
  }
  for (const [key, exception] of isStep ? current.exceptions : []) {
    const excess = exception.access & ~(target.exceptions.get(key)?.access ?? 0);
    if (excess !== 0) write(target.allowsByDefault, { ...exception, access: excess }, target.from);
  }
  return writes;
}

let lastKey: string | undefined;
let lastWrites: readonly PlannedWrite[] = [];

/**
 * The writes for the devices of a new group. Those of the same text are worked out once: programs start many containers of
 * one config in a row.
 *
 * @throws RunletError as `deviceRules` and {@link deviceList}.
 */
export function newDeviceListWrites(devices: readonly LinuxDeviceCgroup[] | undefined): readonly PlannedWrite[] {
  const key = devices === undefined ? "" : JSON.stringify(devices);
  if (key !== lastKey) {
    lastWrites = deviceListWrites(deviceList(deviceRules(devices)), null);
    lastKey = key;
  }
  return lastWrites;
}
