/** @returns what stands at an offset, for a message: a word, a character, the end. */
export function describeFound(text: string, offset: number): string {
  const word = /^[\w$+.-]{1,20}/.exec(text.slice(offset, offset + 20))?.[0];
  if (word !== undefined) return `"${word}"`;
  const code = text.codePointAt(offset);
  if (code === undefined) return "the end of the text";
  if (code === 0x22) return "a string";
  if (code > 0x20 && code < 0x7f) return `"${String.fromCodePoint(code)}"`;
  return `the character U+${code.toString(16).toUpperCase().padStart(4, "0")}`;
}

/** @returns what to do about what people write who think of JavaScript, YAML or C. */
export function hintFor(
  text: string,
  { offset, isInside }: { readonly offset: number; readonly isInside: boolean },
): string | undefined {
  const rest = text.slice(offset, offset + 20);
  const before = text.slice(0, offset).trimEnd().at(-1);
  if (/^(\/\/|\/\*|#)/.test(rest)) return "JSON has no comments: remove it";
  if (before === "," && /^[}\]]/.test(rest)) return "remove the comma before it";
  if (rest.startsWith("'")) return "write strings in double quotes";
  if (/^(True|False|None|undefined|NaN|-?Infinity)\b/.test(rest)) return "write true, false, null or a number";
  if (isInside && /^["{[]/.test(rest) && before !== undefined && /["}\]\w]/.test(before))
    return "put a comma between the two";
  return undefined;
}

/** @returns what to do about a number that begins with a zero. */
export function octalHint(digits: string): string {
  if (!/^0[0-7]+$/.test(digits)) return "remove the zero";
  return `write an octal number in decimal: ${Number.parseInt(digits, 8)}`;
}
