import { expect, it } from "vitest";
import { cpuWeight, ioWeight } from "./weight.ts";

it.each([
  [1n, 1],
  [2n, 1],
  [512n, 59],
  [1024n, 100],
  [2048n, 174],
  [262144n, 10000],
  [2n ** 64n - 1n, 10000],
])("turns cpu.shares %s into cpu.weight %s", (shares, weight) => {
  expect(cpuWeight(shares)).toBe(weight);
});

it("never gives less weight for more shares", () => {
  let last = 0;
  for (let shares = 2n; shares <= 262144n; shares += 97n) {
    const weight = cpuWeight(shares);
    expect(weight).toBeGreaterThanOrEqual(last);
    last = weight;
  }
});

it.each([
  [10n, 1n],
  [100n, 910n],
  [500n, 4950n],
  [1000n, 10000n],
])("turns blkio.weight %s into io.weight %s", (weight, converted) => {
  expect(ioWeight(weight)).toBe(converted);
});
