import fc from "fast-check";
import { expect, it } from "vitest";
import { anyRequest, anyRule, isAllowed } from "../../test/device-rules.ts";
import { runEbpf, unreachable } from "../../test/ebpf.ts";
import { allowsEverything, deviceProgram } from "./device-program.ts";

const typeNumbers = { b: 1, c: 2 } as const;

it("answers as the rules mean, for any rules and any access", () => {
  fc.assert(
    fc.property(fc.array(anyRule, { maxLength: 12 }), anyRequest, (rules, request) => {
      const context = [(request.access << 16) | typeNumbers[request.type], request.major, request.minor];
      expect(runEbpf(deviceProgram(rules), context)).toBe(isAllowed(rules, request) ? 1n : 0n);
    }),
    { numRuns: 3000 },
  );
});

it("has no instruction that cannot be reached", () => {
  fc.assert(
    fc.property(fc.array(anyRule, { maxLength: 12 }), (rules) => {
      expect(unreachable(deviceProgram(rules))).toEqual([]);
    }),
  );
});

it("is left out only where everything is allowed", () => {
  fc.assert(
    fc.property(fc.array(anyRule, { maxLength: 6 }), anyRequest, (rules, request) => {
      if (allowsEverything(rules)) expect(isAllowed(rules, request)).toBe(true);
    }),
    { numRuns: 1000 },
  );
});
