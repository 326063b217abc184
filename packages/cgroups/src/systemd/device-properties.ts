import type { CgroupWrite } from "../cgroup.ts";
import type { UnitProperty } from "./property.ts";

/**
 * The device list of v1 as properties: on each reload systemd writes its own idea of the list over ours. On v2 it leaves our
 * program alone, and needs none of this.
 *
 * @param writes - the file system driver's.
 * @param procDevices - /proc/devices, by which systemd names all devices of a major number.
 */
export function deviceProperties(writes: readonly CgroupWrite[], procDevices: string): UnitProperty[] {
  const own = writes.filter((write) => write.controller === "devices");
  if (own.length === 0) return [];
  // A list that allows by default has no form in systemd but to allow all.
  if (own[0]?.file === "devices.allow") return [{ name: "DevicePolicy", signature: "s", value: "auto" }];
  const names = deviceNames(procDevices);
  const allowed = own.slice(1).flatMap((write): [string, string][] => {
    const match = /^([cb]) (\*|\d+):(\*|\d+) ([rwm]+)$/.exec(write.value);
    if (match === null) return [];
    const [, type, major, minor, access] = match;
    const kind = type === "c" ? "char" : "block";
    if (major !== "*" && minor !== "*") return [[`/dev/${kind}/${major}:${minor}`, access ?? ""]];
    const name = major === "*" ? "*" : names.get(`${kind} ${major}`);
    // What systemd has no name for only our own write allows.
    return name === undefined || minor !== "*" ? [] : [[`${kind}-${name}`, access ?? ""]];
  });
  return [
    { name: "DevicePolicy", signature: "s", value: "strict" },
    { name: "DeviceAllow", signature: "a(ss)", value: allowed },
  ];
}

/** Names by kind and major number: `char 136` is `pts`. @see proc_devices(5) */
function deviceNames(procDevices: string): Map<string, string> {
  const names = new Map<string, string>();
  let kind = "char";
  for (const line of procDevices.split("\n")) {
    if (line.startsWith("Block")) kind = "block";
    const match = /^\s*(\d+) (\S+)$/.exec(line);
    if (match !== null && !names.has(`${kind} ${match[1]}`)) names.set(`${kind} ${match[1]}`, match[2] ?? "");
  }
  return names;
}
