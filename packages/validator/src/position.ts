import { joinPointer } from "./json-pointer.ts";

const BYTE_ORDER_MARK = 0xfeff;

/** A place in a text. */
export interface Position {
  /** From 1. */
  readonly line: number;
  /** From 1, in UTF-16 code units, as editors count. */
  readonly column: number;
}

/** Where a value of a JSON text stands. */
export interface Place {
  /** UTF-16 code units before the value. */
  readonly valueOffset: number;
  /** UTF-16 code units before the member's name; of an array's element, before the value. */
  readonly keyOffset: number;
}

/**
 * Finds values in a JSON text. Only what goes wrong pays for positions, hence a pass of its own.
 *
 * @param text - valid JSON.
 * @param pointers - JSON Pointers of the values.
 * @returns the place of each that is there; of members of one name the last, which is the one that counts.
 */
export function locate(text: string, pointers: ReadonlySet<string>): Map<string, Place> {
  const places = new Map<string, Place>();
  let offset = 0;

  const skipWhitespace = () => {
    while (/[\s\ufeff]/.test(text.charAt(offset))) offset++;
  };
  const skipString = () => {
    for (offset++; text[offset] !== '"'; offset++) if (text[offset] === "\\") offset++;
    offset++;
  };
  const visit = (path: (string | number)[], keyOffset?: number): void => {
    skipWhitespace();
    const pointer = joinPointer(path);
    if (pointers.has(pointer)) places.set(pointer, { valueOffset: offset, keyOffset: keyOffset ?? offset });
    const first = text[offset];
    if (first === '"') skipString();
    else if (first === "{" || first === "[") visitMembers(path, first === "{" ? "}" : "]");
    else while (/[\w.+-]/.test(text.charAt(offset))) offset++;
  };
  const visitMembers = (path: (string | number)[], closing: string): void => {
    offset++;
    for (let index = 0; ; index++) {
      skipWhitespace();
      if (text[offset] === ",") {
        offset++;
        skipWhitespace();
      }
      if (text[offset] === closing) break;
      if (closing === "]") visit([...path, index]);
      else {
        const keyOffset = offset;
        skipString();
        const key = JSON.parse(text.slice(keyOffset, offset)) as string;
        skipWhitespace();
        offset++;
        visit([...path, key], keyOffset);
      }
    }
    offset++;
  };

  visit([]);
  return places;
}

/** @returns a function that gives line and column of an offset into the text. */
export function positionsOf(text: string): (offset: number) => Position {
  const lineStarts = [text.charCodeAt(0) === BYTE_ORDER_MARK ? 1 : 0];
  for (let at = text.indexOf("\n"); at !== -1; at = text.indexOf("\n", at + 1)) lineStarts.push(at + 1);
  return (offset) => {
    let low = 0;
    let high = lineStarts.length;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if ((lineStarts[middle] ?? 0) <= offset) low = middle;
      else high = middle;
    }
    return { line: low + 1, column: offset - (lineStarts[low] ?? 0) + 1 };
  };
}
