import { expect, it } from "vitest";
import { deviceRules } from "../device-rule.ts";
import { deviceList, deviceListWrites } from "../v1/device-list.ts";
import { deviceProperties } from "./device-properties.ts";

const procDevices = `Character devices:
  1 mem
  5 /dev/tty
136 pts

Block devices:
  8 sd
136 other
`;

it("lists devices by number, whole majors by name", () => {
  const rules = deviceRules([
    { allow: false, access: "rwm" },
    { allow: true, type: "b", major: 8, access: "r" },
    { allow: true, type: "c", major: 99, access: "r" },
  ]);
  const [policy, allow] = deviceProperties(deviceListWrites(deviceList(rules), null), procDevices);
  expect(policy).toEqual({ name: "DevicePolicy", signature: "s", value: "strict" });
  expect(allow).toEqual({
    name: "DeviceAllow",
    signature: "a(ss)",
    value: [
      ["block-sd", "r"],
      ["char-*", "m"],
      ["block-*", "m"],
      ["/dev/char/1:3", "rwm"],
      ["/dev/char/1:5", "rwm"],
      ["/dev/char/1:7", "rwm"],
      ["/dev/char/1:8", "rwm"],
      ["/dev/char/1:9", "rwm"],
      ["/dev/char/5:0", "rwm"],
      ["/dev/char/5:2", "rwm"],
      ["char-pts", "rwm"],
      ["/dev/char/10:200", "rwm"],
    ],
  });
});

it("leaves everything to the list where all is allowed, and on v2", () => {
  const rules = deviceRules([{ allow: true, access: "rwm" }]);
  expect(deviceProperties(deviceListWrites(deviceList(rules), null), procDevices)).toEqual([
    { name: "DevicePolicy", signature: "s", value: "auto" },
  ]);
  expect(deviceProperties([{ from: "/", controller: "", file: "memory.max", value: "1" }], procDevices)).toEqual([]);
});
