import { quote } from "@runlet/errors";
import type { Int64, LinuxDevice, LinuxDeviceCgroup } from "@runlet/spec";
import type { Unsound } from "../issue.ts";
import { present, type Rule, repeated } from "../rule.ts";

/** Highest numbers of a device: `MAJOR` has 12 bits and `MINOR` 20, `<linux/kdev_t.h>`. */
const maximumMajor = 0xfff;
const maximumMinor = 0xf_ffff;

/** Bits of a mode that tell the type of a file, inode(7). */
const S_IFMT = 0o170000;

/** The type's bits of a mode, by type of device. */
const typeBits = { c: 0o020000, u: 0o020000, b: 0o060000, p: 0o010000 } as const;

/** Rules about device nodes. */
export const deviceRules: readonly Rule[] = [
  {
    id: "devices.path",
    spec: "config-linux.md#devices",
    check({ linux }, report) {
      for (const [index, { path }] of present(linux?.devices)) {
        if (path === undefined || path.startsWith("/")) continue;
        report({ at: ["linux", "devices", index, "path"], message: `the path ${quote(path)} is not absolute` });
      }
    },
  },
  {
    id: "devices.numbers",
    spec: "config-linux.md#devices",
    check({ linux }, report) {
      for (const [index, device] of present(linux?.devices)) {
        if (device.type === undefined || device.type === "p") continue;
        for (const [field, maximum] of [
          ["major", maximumMajor],
          ["minor", maximumMinor],
        ] as const) {
          const number = device[field];
          const at = ["linux", "devices", index];
          if (number === undefined) {
            report({ at, message: `a device of type "${device.type}" needs a ${field} number` });
          } else if (number < 0 || number > maximum) {
            report({ at: [...at, field], message: `the ${field} number ${number} is not from 0 to ${maximum}` });
          }
        }
      }
    },
  },
  {
    id: "devices.fileMode",
    spec: "config-linux.md#devices",
    check({ linux }, report) {
      for (const [index, { fileMode, type }] of present(linux?.devices)) {
        if (fileMode === undefined) continue;
        const at = ["linux", "devices", index, "fileMode"];
        const bits = fileMode & S_IFMT;
        if (fileMode > 0o177777) {
          report({ at, message: `the mode ${fileMode} has more bits than a file has` });
        } else if (bits !== 0 && type !== undefined && bits !== typeBits[type]) {
          report({
            at,
            message: `the mode ${fileMode} (octal ${fileMode.toString(8)}) is not that of a device of type "${type}"`,
          });
        }
      }
    },
  },
  {
    id: "devices.unique",
    spec: "config-linux.md#devices",
    check({ linux }, report) {
      const devices = linux?.devices ?? [];
      for (const { index, entry, key, first } of repeated(present(devices), ({ path }) => path)) {
        const isSame = numbersOf(entry) === numbersOf(devices[first] ?? {});
        report({
          at: ["linux", "devices", index],
          message: isSame
            ? `the device ${quote(key)} is there already, at /linux/devices/${first}`
            : `the path ${quote(key)} belongs to another device, at /linux/devices/${first}`,
          severity: isSame ? "warning" : "error",
        });
      }
      for (const { index, entry, key, first } of repeated(present(devices), numbersOf)) {
        if (entry.path === devices[first]?.path) continue;
        report({
          at: ["linux", "devices", index],
          message: `the device ${key} has a node already, at /linux/devices/${first}`,
          severity: "warning",
        });
      }
    },
  },
];

/** Rules about access to devices; the subject are the rules of the device controller. */
export const deviceRuleRules: readonly Rule<readonly (Unsound<LinuxDeviceCgroup> | undefined)[]>[] = [
  {
    id: "resources.devices.access",
    spec: "config-linux.md#allowed-device-list",
    check(rules, report) {
      for (const [index, { access }] of present(rules)) {
        if (access === undefined || access === "") {
          report({
            at: access === undefined ? [index] : [index, "access"],
            message: "the rule does not say which access it is about",
            hint: 'write "access": "rwm" for all',
          });
        } else if (new Set(access).size < access.length) {
          report({ at: [index, "access"], message: `${quote(access)} has a letter twice`, severity: "warning" });
        }
      }
    },
  },
  {
    id: "resources.devices.type",
    spec: "config-linux.md#allowed-device-list",
    check(rules, report) {
      for (const [index, { type, major, minor }] of present(rules)) {
        if (type === "b" || type === "c") continue;
        for (const [field, number] of [
          ["major", major],
          ["minor", minor],
        ] as const) {
          if (isWildcard(number)) continue;
          report({
            at: [index, field],
            message: `a rule about every device (type "a") contradicts itself with a ${field} number`,
            hint: 'write "type": "c" or "type": "b"',
          });
        }
      }
    },
  },
  {
    id: "resources.devices.numbers",
    spec: "config-linux.md#allowed-device-list",
    check(rules, report) {
      for (const [index, rule] of present(rules)) {
        for (const field of ["major", "minor"] as const) {
          const number = rule[field];
          if (number === undefined || (number >= -1 && number <= 0xffff_ffff)) continue;
          report({ at: [index, field], message: `the ${field} number ${number} is not from -1 to 4294967295` });
        }
      }
    },
  },
  {
    id: "resources.devices.contradiction",
    spec: "config-linux.md#allowed-device-list",
    check(rules, report) {
      for (const { index, first } of repeated(present(rules), targetOf)) {
        if (rules[index]?.allow === undefined || rules[index]?.allow === rules[first]?.allow) continue;
        // A rule about every device is the default that the rules after it start from.
        if (isAboutEvery(rules[index] ?? {})) continue;
        report({
          at: [index],
          message: `the rule takes back that of entry ${first}`,
          severity: "warning",
        });
      }
    },
  },
];

function numbersOf({ type, major, minor }: Unsound<LinuxDevice>): string | undefined {
  if (type === undefined || type === "p" || major === undefined || minor === undefined) return undefined;
  return `${type === "u" ? "c" : type} ${major}:${minor}`;
}

function isWildcard(number: Int64 | undefined): boolean {
  return number === undefined || number === -1;
}

function isAboutEvery({ type }: Unsound<LinuxDeviceCgroup>): boolean {
  return type === undefined || type === "a";
}

function targetOf(rule: Unsound<LinuxDeviceCgroup>): string {
  return [rule.type ?? "a", rule.major ?? -1, rule.minor ?? -1, [...(rule.access ?? "")].sort().join("")].join(" ");
}
