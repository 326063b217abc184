import type { SyscallPattern } from "@runlet/plan";

type Node =
  | { readonly kind: "call"; readonly name: string }
  | { readonly kind: "sequence"; readonly parts: readonly Node[] }
  | { readonly kind: "choice"; readonly parts: readonly Node[] }
  | { readonly kind: "repeat"; readonly part: Node; readonly least: number; readonly most: number };

/** Reads a pattern. Throws where it is none. */
function parse(pattern: SyscallPattern): Node {
  const tokens = pattern.match(/[a-z_][a-z_0-9]*|\{\d+\}|[()|?*+]|\S/g) ?? [];
  let at = 0;

  function choice(): Node {
    const parts = [sequence()];
    while (tokens[at] === "|") {
      at++;
      parts.push(sequence());
    }
    return parts.length === 1 && parts[0] !== undefined ? parts[0] : { kind: "choice", parts };
  }

  function sequence(): Node {
    const parts: Node[] = [];
    while (at < tokens.length && tokens[at] !== ")" && tokens[at] !== "|") parts.push(repeated());
    return { kind: "sequence", parts };
  }

  function repeated(): Node {
    const token = tokens[at++] ?? "";
    let part: Node;
    if (token === "(") {
      part = choice();
      if (tokens[at++] !== ")") throw new Error(`a ")" is missing in ${pattern}`);
    } else if (/^[a-z_]/.test(token)) part = { kind: "call", name: token };
    else throw new Error(`${token} is out of place in ${pattern}`);
    const times = tokens[at] ?? "";
    const bounds: Record<string, readonly [number, number]> = { "?": [0, 1], "*": [0, Infinity], "+": [1, Infinity] };
    const exact = /^\{(\d+)\}$/.exec(times)?.[1];
    const [least, most] = bounds[times] ?? (exact === undefined ? [1, 1] : [Number(exact), Number(exact)]);
    if (bounds[times] !== undefined || exact !== undefined) at++;
    return least === 1 && most === 1 ? part : { kind: "repeat", part, least, most };
  }

  const node = choice();
  if (at < tokens.length) throw new Error(`${tokens[at]} is out of place in ${pattern}`);
  return node;
}

/** Where a match can end that begins at one of these places. All ends are followed at once, so nothing is tried twice. */
function endsOf(node: Node, calls: readonly string[], starts: ReadonlySet<number>): ReadonlySet<number> {
  switch (node.kind) {
    case "call":
      return new Set([...starts].filter((at) => calls[at] === node.name).map((at) => at + 1));
    case "sequence":
      return node.parts.reduce((ends, part) => endsOf(part, calls, ends), starts);
    case "choice":
      return new Set(node.parts.flatMap((part) => [...endsOf(part, calls, starts)]));
    case "repeat": {
      const ends = new Set(node.least === 0 ? starts : []);
      let reached = starts;
      for (let count = 1; count <= node.most && reached.size > 0; count++) {
        const next = endsOf(node.part, calls, reached);
        reached = count > node.least ? new Set([...next].filter((end) => !ends.has(end))) : next;
        if (count >= node.least) for (const end of reached) ends.add(end);
      }
      return ends;
    }
  }
}

/** One operation and its system calls. */
export interface ExpectedCalls {
  readonly name: string;
  readonly pattern: SyscallPattern;
}

/**
 * Holds a whole sequence of calls against operations, one after the other.
 *
 * @returns what does not fit, in words, or undefined.
 */
export function findMismatch(expected: readonly ExpectedCalls[], calls: readonly string[]): string | undefined {
  let reached: ReadonlySet<number> = new Set([0]);
  for (const { name, pattern } of expected) {
    const ends = endsOf(parse(pattern), calls, reached);
    if (ends.size === 0) {
      const last = Math.max(...reached);
      return `${name} should call "${pattern}"; seen behind call ${last}: ${calls.slice(last, last + 12).join(" ")}`;
    }
    reached = ends;
  }
  if (reached.has(calls.length)) return undefined;
  return `calls of no operation: ${calls.slice(Math.max(...reached)).join(" ")}`;
}
