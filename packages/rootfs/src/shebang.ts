/** What the first line of a script names. */
export interface Shebang {
  /** Path of the interpreter, as written. */
  readonly interpreter: string;
  /** The one argument that the kernel passes on: the rest of the line. */
  readonly argument: string | undefined;
}

/** The kernel looks at no more of a file than this (`BINPRM_BUF_SIZE`). */
export const shebangLengthBytes = 256;

/**
 * Reads `#!` as the kernel does (fs/binfmt_script.c): blanks around the interpreter are skipped, the rest of the line is one
 * argument, and a line that does not end within {@link shebangLengthBytes} may cut the argument but not the interpreter.
 *
 * @param head - the first bytes of a file.
 * @returns undefined for a file that does not start with `#!`, "malformed" where the kernel answers ENOEXEC.
 */
export function parseShebang(head: Uint8Array): Shebang | "malformed" | undefined {
  if (head[0] !== 0x23 || head[1] !== 0x21) return undefined;
  const text = Buffer.from(head.subarray(2, shebangLengthBytes)).toString();
  const newline = text.search(/[\n\0]/);
  const isCut = newline < 0 && head.length >= shebangLengthBytes;
  const line = newline < 0 ? text : text.slice(0, newline);
  const match = /^[ \t]*([^ \t]+)(?:[ \t]+(.*?))?[ \t]*$/s.exec(line);
  const interpreter = match?.[1];
  if (interpreter === undefined || (isCut && match?.[2] === undefined)) return "malformed";
  return { interpreter, argument: match?.[2] || undefined };
}
