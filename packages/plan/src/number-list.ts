import { quote, RunletError } from "@runlet/errors";

/** More than the kernel has of either, so that a mask stays small: CONFIG_NR_CPUS is at most 8192. */
const maxNumber = 8191;

/**
 * A list of numbers and ranges as cpuset(7) writes it (`0-3,7`) as a bit mask of 64-bit words, the lowest first.
 *
 * @param list - the list; none of its numbers is above 8191.
 * @param pointer - where in the config it stands.
 * @throws RunletError `ERR_RUNLET_PROCESS` when it is none.
 */
export function parseNumberList(list: string, pointer: string): readonly bigint[] {
  const words: bigint[] = [];
  for (const part of list.trim().split(",")) {
    const match = /^\s*(\d{1,5})(?:-(\d{1,5}))?\s*$/.exec(part);
    const first = Number(match?.[1]);
    const last = Number(match?.[2] ?? match?.[1]);
    if (match === null || last < first || last > maxNumber) {
      throw new RunletError("ERR_RUNLET_PROCESS", `${quote(list)} is not a list of numbers and ranges`, {
        pointer,
        hint: `such as "0-3,7", none above ${maxNumber}`,
      });
    }
    while (words.length <= last >> 6) words.push(0n);
    for (let number = first; number <= last; number++) {
      words[number >> 6] = (words[number >> 6] ?? 0n) | (1n << BigInt(number & 63));
    }
  }
  return words;
}
