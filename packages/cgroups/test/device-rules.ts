import fc from "fast-check";
import { type DeviceRule, deviceAccess } from "../src/device-rule.ts";

/** One question to a device list. */
export interface DeviceRequest {
  readonly type: "b" | "c";
  readonly major: number;
  readonly minor: number;
  readonly access: number;
}

const number = fc.integer({ min: 0, max: 3 });

/** Any rule, over few numbers so that rules meet. */
export const anyRule: fc.Arbitrary<DeviceRule> = fc.oneof(
  {
    weight: 1,
    arbitrary: fc
      .boolean()
      .map((allow): DeviceRule => ({ allow, type: "a", major: null, minor: null, access: 7, from: "/a" })),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      allow: fc.boolean(),
      type: fc.constantFrom("b" as const, "c" as const),
      major: fc.option(number),
      minor: fc.option(number),
      access: fc.integer({ min: 1, max: 7 }),
      from: fc.constant("/r"),
    }),
  },
);

/** Any question; mknod(2) is never one with open(2). */
export const anyRequest: fc.Arbitrary<DeviceRequest> = fc.record({
  type: fc.constantFrom("b" as const, "c" as const),
  major: number,
  minor: number,
  access: fc.constantFrom(
    deviceAccess.mknod,
    deviceAccess.read,
    deviceAccess.write,
    deviceAccess.read | deviceAccess.write,
  ),
});

/** The specification's meaning: for each kind of access the last rule that speaks of it decides; none denies. */
export function isAllowed(rules: readonly DeviceRule[], request: DeviceRequest): boolean {
  return [deviceAccess.mknod, deviceAccess.read, deviceAccess.write]
    .filter((bit) => (request.access & bit) !== 0)
    .every((bit) => rules.findLast((rule) => speaksOf(rule, request, bit))?.allow === true);
}

function speaksOf(rule: DeviceRule, request: DeviceRequest, bit: number): boolean {
  return (
    (rule.type === "a" || rule.type === request.type) &&
    (rule.major === null || rule.major === request.major) &&
    (rule.minor === null || rule.minor === request.minor) &&
    (rule.access & bit) !== 0
  );
}
