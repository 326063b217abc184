/**
 * `cpu.weight` for v1's `cpu.shares`: a curve through the two scales' least values (2 → 1), defaults (1024 → 100) and greatest
 * values (262144 → 10000), as runc since 1.3.2 and crun since 1.23 have it. The straight line of older versions gave a
 * container with default shares 39, far less than its neighbours' 100.
 *
 * @param shares - at least 1; below 2 and above 262144 count as these.
 * @returns 1 to 10000.
 */
export function cpuWeight(shares: bigint): number {
  if (shares <= 2n) return 1;
  if (shares >= 262144n) return 10000;
  const logarithm = Math.log2(Number(shares));
  return Math.ceil(10 ** ((logarithm * logarithm + 125 * logarithm) / 612 - 7 / 34));
}

/**
 * `io.weight` for v1's `blkio.weight`: 10 to 1000 on a straight line to 1 to 10000.
 *
 * @returns 1 to 10000 for a weight in range.
 */
export function ioWeight(weight: bigint): bigint {
  return 1n + ((weight - 10n) * 9999n) / 990n;
}
