import type { SeccompData } from "../src/index.ts";

// libseccomp's pseudo filter code: what it says that its filter does. Blocks are indented by two spaces; the first action
// that is reached decides.
//
//   if ($arch == 3221225534)
//     if ($syscall == 16)
//       if ($a2.hi32 > 5)
//       else
//         action ERRNO(38);
//     action ALLOW;

interface Statement {
  readonly condition: ((data: SeccompData) => boolean) | undefined;
  readonly action: number | undefined;
  readonly whenTrue: Statement[];
  readonly whenFalse: Statement[];
}

/**
 * A program in pseudo filter code. It has one part for each architecture; x86_64 and x32 are told apart by a comment only.
 */
export class PseudoCode {
  readonly #parts: { readonly architecture: string; readonly statements: readonly Statement[] }[];

  constructor(text: string) {
    this.#parts = text
      .split("# filter for arch ")
      .slice(1)
      .map((part) => ({
        architecture: part.slice(0, part.indexOf(" ")),
        statements: parseBlock(part.slice(part.indexOf("\n"))),
      }));
  }

  /** The action for a system call: `SECCOMP_RET_*`. */
  run(data: SeccompData): number {
    const isX32 = data.number >= 0x4000_0000;
    const other = isX32 ? "x86_64" : "x32";
    for (const { architecture, statements } of this.#parts) {
      const value = architecture === other ? undefined : runBlock(statements, data);
      if (value !== undefined) return value;
    }
    throw new Error("the pseudo filter code ends without an action");
  }
}

function parseBlock(text: string): Statement[] {
  const statements: Statement[] = [];
  const open: { readonly depth: number; readonly into: Statement[] }[] = [{ depth: -1, into: statements }];
  for (const line of text.split("\n")) {
    const words = line.trim();
    if (words === "" || words.startsWith("#")) continue;
    const depth = line.search(/\S/);
    while ((open.at(-1)?.depth ?? -1) >= depth) open.pop();
    const into = open.at(-1)?.into as Statement[];
    if (words === "else") {
      open.push({ depth, into: (into.at(-1) as Statement).whenFalse });
      continue;
    }
    const statement = parseStatement(words);
    into.push(statement);
    if (statement.condition !== undefined) open.push({ depth, into: statement.whenTrue });
  }
  return statements;
}

function runBlock(block: readonly Statement[], data: SeccompData): number | undefined {
  for (const { condition, action, whenTrue, whenFalse } of block) {
    const value = action ?? runBlock(condition?.(data) ? whenTrue : whenFalse, data);
    if (value !== undefined) return value;
  }
  return undefined;
}

function parseStatement(words: string): Statement {
  const action = /^action (\w+)(?:\((\d+)\))?;$/.exec(words);
  if (action !== null) {
    const value = (actions[action[1] ?? ""] ?? Number.NaN) + Number(action[2] ?? 0);
    if (Number.isNaN(value)) throw new Error(`pseudo filter code has ${words}`);
    return { condition: undefined, action: value, whenTrue: [], whenFalse: [] };
  }
  const test = /^if \(\$(arch|syscall|a\d)(?:\.(hi|lo)32)?(?: & (\w+))? (==|>=|>) (-?\w+)\)$/.exec(words);
  if (test === null) throw new Error(`pseudo filter code has ${words}`);
  const [, word = "", half, mask, sign, value] = test;
  const right = Number(value) >>> 0;
  const bits = mask === undefined ? 0xffff_ffff : Number(mask);
  const condition = (data: SeccompData): boolean => {
    const left = (readWord(data, word, half) & bits) >>> 0;
    return sign === "==" ? left === right : sign === ">" ? left > right : left >= right;
  };
  return { condition, action: undefined, whenTrue: [], whenFalse: [] };
}

function readWord(data: SeccompData, word: string, half: string | undefined): number {
  if (word === "arch") return data.arch;
  if (word === "syscall") return data.number;
  const value = data.args?.[Number(word.slice(1))] ?? 0n;
  return Number(half === "hi" ? value >> 32n : value & 0xffff_ffffn);
}

const actions: Readonly<Record<string, number>> = {
  KILL_PROCESS: 0x8000_0000,
  KILL: 0,
  TRAP: 0x0003_0000,
  ERRNO: 0x0005_0000,
  TRACE: 0x7ff0_0000,
  LOG: 0x7ffc_0000,
  ALLOW: 0x7fff_0000,
  NOTIFY: 0x7fc0_0000,
};
