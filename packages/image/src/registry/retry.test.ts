import { describe, expect, test } from "vitest";
import { backoffMs, pause, readRetryAfter } from "./retry.ts";

describe("readRetryAfter", () => {
  const nowMs = Date.parse("2026-11-22T00:00:00Z");

  test.each([
    ["0", 0],
    ["120", 120_000],
    ["Sun, 22 Nov 2026 00:00:30 GMT", 30_000],
    ["Sat, 21 Nov 2026 00:00:00 GMT", 0],
    ["soon", undefined],
    ["-1", undefined],
    ["", undefined],
    [undefined, undefined],
  ])("reads %j as %j", (text, expected) => {
    expect(readRetryAfter(text, nowMs)).toBe(expected);
  });
});

describe("backoffMs", () => {
  const policy = { attempts: 10, baseDelayMs: 100, maximumDelayMs: 1000 };

  test.each([
    [1, 100],
    [2, 200],
    [3, 400],
    [4, 800],
    [5, 1000],
    [100, 1000],
  ])("is after try %d between half of %d ms and the whole", (attempt, wholeMs) => {
    for (let count = 0; count < 100; count++) {
      const delayMs = backoffMs(attempt, policy);
      expect(delayMs).toBeGreaterThanOrEqual(wholeMs / 2);
      expect(delayMs).toBeLessThanOrEqual(wholeMs);
    }
  });
});

describe("pause", () => {
  test("ends at once by the signal", async () => {
    const startMs = performance.now();
    await expect(pause(60_000, AbortSignal.timeout(20))).rejects.toMatchObject({ code: "ERR_RUNLET_ABORTED" });
    await expect(pause(60_000, AbortSignal.abort())).rejects.toMatchObject({ code: "ERR_RUNLET_ABORTED" });
    expect(performance.now() - startMs).toBeLessThan(5000);
  });
});
