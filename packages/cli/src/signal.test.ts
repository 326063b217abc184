import { constants } from "node:os";
import { describe, expect, it } from "vitest";
import { parseSignal, signalNames, signalNumber } from "./signal.ts";

describe("parseSignal", () => {
  it.each([
    ["TERM", 15],
    ["SIGTERM", 15],
    ["sigkill", 9],
    ["Hup", 1],
    ["9", 9],
    ["0", 0],
    ["64", 64],
    ["iot", 6],
    ["RTMIN", 34],
    ["SIGRTMIN+3", 37],
    ["rtmin+30", 64],
    ["RTMAX", 64],
    ["RTMAX-14", 50],
  ])("reads %s as %d", (text, number) => {
    expect(parseSignal(text)).toBe(number);
  });

  it.each(["FOO", "", "SIG", "65", "-9", "1e1", "RTMIN+31", "RTMIN-1", "RTMAX+1", "RTMAX-31", "toString", "9 "])(
    "refuses %j",
    (text) => {
      expect(() => parseSignal(text)).toThrow(
        expect.objectContaining({
          code: "ERR_RUNLET_INVALID_SIGNAL",
          message: `unknown signal ${JSON.stringify(text)}`,
        }),
      );
    },
  );

  it("agrees with this machine's C library", () => {
    for (const name of signalNames) expect([name, signalNumber(name)]).toEqual([name, constants.signals[name]]);
  });
});
