import { describe, expect, it } from "vitest";
import { parseCommandLine } from "./parser.ts";
import { type LimitOptions, resourcesOf } from "./resource-options.ts";

function resources(...args: string[]) {
  const { options } = parseCommandLine("update", [...args, "web"]);
  return resourcesOf(options as unknown as LimitOptions);
}

describe("resourcesOf", () => {
  it("asks for nothing that was not given", () => {
    expect(resources()).toEqual({});
    expect(resources("--memory", "", "--cpuset-cpus", "")).toEqual({});
    expect(resources("--memory", "64M")).toEqual({ memory: { limit: 67108864 } });
  });

  it("knows the field of every option", () => {
    expect(
      resources(
        ...["--blkio-weight", "300", "--pids-limit", "-1"],
        ...["--cpu-period", "100000", "--cpu-quota", "-1", "--cpu-burst", "5", "--cpu-share", "512", "--cpu-idle", "1"],
        ...["--cpu-rt-period", "1000000", "--cpu-rt-runtime", "950000", "--cpuset-cpus", "0-1", "--cpuset-mems", "0"],
        ...["--memory", "1.5g", "--memory-reservation", "100k", "--memory-swap", "-1"],
      ),
    ).toEqual({
      blockIO: { weight: 300 },
      pids: { limit: -1 },
      cpu: {
        period: 100000,
        quota: -1,
        burst: 5,
        shares: 512,
        idle: 1,
        realtimePeriod: 1000000,
        realtimeRuntime: 950000,
        cpus: "0-1",
        mems: "0",
      },
      memory: { limit: 1610612736, reservation: 102400, swap: -1 },
    });
  });

  it("keeps numbers exact that no double holds", () => {
    expect(resources("--cpu-period", "18446744073709551615")).toEqual({ cpu: { period: 2n ** 64n - 1n } });
    expect(resources("--cpu-quota", "-9223372036854775808")).toEqual({ cpu: { quota: -(2n ** 63n) } });
  });

  it.each([
    ["--memory", "64x", 'invalid value for memory: "64x" is no number of bytes'],
    ["--memory-swap", "-2", 'invalid value for memory-swap: "-2" is no number of bytes'],
    ["--cpu-quota", "abc", 'invalid value for cpu-quota: "abc" is no whole number'],
    ["--cpu-period", "1.5", 'invalid value for cpu-period: "1.5" is no whole number'],
    ["--cpu-share", "-1", "invalid value for cpu-share: -1 is not within 0 and 18446744073709551615"],
    [
      "--cpu-idle",
      "9223372036854775808",
      "invalid value for cpu-idle: 9223372036854775808 is not within -9223372036854775808 and 9223372036854775807",
    ],
  ])("refuses %s %s", (option, value, message) => {
    expect(() => resources(`${option}=${value}`)).toThrow(
      expect.objectContaining({ code: "ERR_RUNLET_USAGE", message }),
    );
  });
});
