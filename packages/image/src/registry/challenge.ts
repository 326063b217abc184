/** What a server asks for in a WWW-Authenticate header. */
export interface Challenge {
  /** In lower case: `basic`, `bearer`. */
  readonly scheme: string;
  /** Names in lower case. */
  readonly parameters: ReadonlyMap<string, string>;
}

const token = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
const schemePattern = new RegExp(`[\\s,]*(${token})(?=[\\s,]|$)`, "y");
/** Credentials without a name, such as those of Negotiate. */
const unnamedPattern = /[\s,]*[A-Za-z0-9._~+/-]+=+(?=[\s,]|$)/y;
const parameterPattern = new RegExp(
  `[\\s,]*(${token})\\s*=\\s*(?:"((?:[^"\\\\]|\\\\.)*)"|(${token}))(?=[\\s,]|$)`,
  "y",
);

/**
 * Reads the challenges of a WWW-Authenticate header.
 *
 * @param header - one header, or several joined by commas.
 * @returns the challenges in their order; undefined where the text does not follow the grammar.
 * @see RFC 9110 section 11.6.1
 */
export function parseChallenges(header: string): Challenge[] | undefined {
  const challenges: { scheme: string; parameters: Map<string, string> }[] = [];
  let position = 0;
  const match = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = position;
    const found = pattern.exec(header);
    if (found !== null) position = pattern.lastIndex;
    return found;
  };
  while (header.slice(position).replace(/^[\s,]+/, "") !== "") {
    const parameter = match(parameterPattern);
    if (parameter !== null) {
      const current = challenges.at(-1);
      if (current === undefined) return undefined;
      const [, name = "", quoted, plain = ""] = parameter;
      // The first of a name holds: a later one cannot send the credentials elsewhere.
      const key = name.toLowerCase();
      if (!current.parameters.has(key)) current.parameters.set(key, quoted?.replace(/\\(.)/g, "$1") ?? plain);
      continue;
    }
    if (challenges.length > 0 && match(unnamedPattern) !== null) continue;
    const scheme = match(schemePattern);
    if (scheme === null) return undefined;
    challenges.push({ scheme: (scheme[1] ?? "").toLowerCase(), parameters: new Map() });
  }
  return challenges;
}
