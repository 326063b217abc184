import { expect, it } from "vitest";
import { deviceRules } from "../device-rule.ts";
import { deviceProgram, deviceWrites } from "./device-program.ts";

function hex(program: Uint8Array): string[] {
  return Array.from({ length: program.length / 8 }, (_, index) =>
    Buffer.from(program.subarray(index * 8, index * 8 + 8)).toString("hex"),
  );
}

const preamble = [
  "6113000000000000", // r3 = *(u32 *)(r1 + 0)
  "bf32000000000000", // r2 = r3
  "57020000ffff0000", // r2 &= 0xffff
  "7703000010000000", // r3 >>= 16
  "6114040000000000", // r4 = *(u32 *)(r1 + 4)
  "6115080000000000", // r5 = *(u32 *)(r1 + 8)
];

it("denies everything without rules", () => {
  expect(hex(deviceProgram([]))).toEqual([...preamble, "b700000000000000", "9500000000000000"]);
});

it("assembles an allowance of reading and a denial of writing", () => {
  const program = deviceProgram([
    { allow: true, type: "c", major: 1, minor: 3, access: 2, from: "" },
    { allow: false, type: "b", major: 8, minor: null, access: 4, from: "" },
  ]);
  expect(hex(program)).toEqual([
    ...preamble,
    "5502060001000000", // if r2 != BLOCK goto next rule
    "5504050008000000", // if r4 != 8 goto next rule
    "bf36000000000000", // r6 = r3
    "5706000004000000", // r6 &= WRITE
    "1506020000000000", // if r6 == 0 goto next rule
    "b700000000000000", // r0 = 0
    "9500000000000000", // exit
    "5502060002000000", // if r2 != CHAR goto end
    "5504050001000000", // if r4 != 1 goto end
    "5505040003000000", // if r5 != 3 goto end
    "5703000005000000", // r3 &= ~READ
    "5503020000000000", // if r3 != 0 goto end
    "b700000001000000", // r0 = 1
    "9500000000000000", // exit
    "b700000000000000", // r0 = 0
    "9500000000000000", // exit
  ]);
});

it("ends at a rule for everything, whatever is before it", () => {
  const all = { type: "a", major: null, minor: null, access: 7, from: "" } as const;
  const before = { allow: false, type: "c", major: 1, minor: 3, access: 7, from: "" } as const;
  expect(hex(deviceProgram([before, { allow: true, ...all }]))).toEqual([
    ...preamble,
    "b700000001000000",
    "9500000000000000",
  ]);
});

it("shows the rules in the plan in the order of the config", () => {
  const writes = deviceWrites(
    deviceRules([
      { allow: false, access: "rwm" },
      { allow: true, type: "c", major: 10, minor: -1, access: "mr" },
    ]),
  );
  expect(writes.slice(0, 3)).toEqual([
    { from: "/linux/resources/devices/0", controller: "", file: "BPF_CGROUP_DEVICE", value: "deny a *:* rwm" },
    { from: "/linux/resources/devices/1", controller: "", file: "BPF_CGROUP_DEVICE", value: "allow c 10:* rm" },
    {
      from: "spec:config-linux.md#default-devices",
      controller: "",
      file: "BPF_CGROUP_DEVICE",
      value: "allow c *:* m",
    },
  ]);
});
