/** The highest number that a list may have: more CPUs and memory nodes than any kernel is built for. */
export const maximumInList = 65_535;

/**
 * Parses the list format of cpuset(7): `0-3,7`. Spaces around entries are let be, and an empty list is one.
 *
 * @returns the ranges, or undefined for what is not a list.
 */
export function parseNumberList(text: string): { readonly first: number; readonly last: number }[] | undefined {
  if (text.trim() === "") return [];
  const ranges = [];
  for (const part of text.split(",")) {
    const match = /^\s*(\d+)(?:\s*-\s*(\d+))?\s*$/.exec(part);
    if (match === null) return undefined;
    const first = Number(match[1]);
    const last = match[2] === undefined ? first : Number(match[2]);
    if (last < first || last > maximumInList) return undefined;
    ranges.push({ first, last });
  }
  return ranges;
}
