import { constants } from "node:os";
import { describe, expect, it } from "vitest";
import { signalName, signalNumber } from "./signal-name.ts";

describe("signalNumber", () => {
  it("agrees with the C library on every name that Node knows", () => {
    const names = Object.entries(constants.signals);
    expect(names.length).toBeGreaterThan(28);
    for (const [name, number] of names) expect([name, signalNumber(name)]).toEqual([name, number]);
  });

  it.each([
    ["term", 15],
    ["sigKILL", 9],
    ["9", 9],
    [64, 64],
    ["0", 0],
    ["RTMIN", 34],
    ["SIGRTMIN+3", 37],
    ["rtmax-1", 63],
  ])("reads %s as %d", (given, number) => {
    expect(signalNumber(given)).toBe(number);
  });

  it.each(["", "FOO", "SIG", "65", "-1", "1.5", "RTMIN-1", "RTMAX+1", "9x"])("refuses %j", (given) => {
    expect(() => signalNumber(given)).toThrow(/unknown signal/);
  });

  it("names every number so that it reads the name back", () => {
    for (let number = 1; number <= 64; number++) {
      if (number === 32 || number === 33) continue;
      expect(signalNumber(signalName(number))).toBe(number);
    }
  });
});
