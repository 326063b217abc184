import { RunletError } from "@runlet/errors";

const unitBytes: Readonly<Record<string, number>> = {
  "": 1,
  k: 2 ** 10,
  m: 2 ** 20,
  g: 2 ** 30,
  t: 2 ** 40,
  p: 2 ** 50,
};

/**
 * Reads a size as runc's options take it.
 *
 * @param text - a number of bytes; `k`, `m`, `g`, `t` or `p`, for powers of 1024, may follow, in any case and with `b` or
 *   `ib`. A fraction of a byte is dropped.
 * @throws {@link RunletError} `ERR_RUNLET_USAGE`.
 */
export function parseBytes(text: string): number {
  const [, digits, unit = ""] = /^([0-9]+(?:\.[0-9]+)?) ?([kmgtp]?)(?:i?b)?$/.exec(text.toLowerCase()) ?? [];
  const bytes = Math.floor(Number(digits) * (unitBytes[unit] ?? Number.NaN));
  if (!Number.isSafeInteger(bytes)) {
    throw new RunletError("ERR_RUNLET_USAGE", `${JSON.stringify(text)} is no number of bytes`, {
      hint: "write it as 268435456 or 256m",
    });
  }
  return bytes;
}
