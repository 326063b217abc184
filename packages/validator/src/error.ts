import { quote, RunletError } from "@runlet/errors";
import type { Issue } from "./issue.ts";

/**
 * One line about an issue, as compilers write it: `config.json:12:5 /linux/namespaces/2: message (hint: …)`.
 *
 * @param fileName - what the text is called.
 */
export function formatIssue(issue: Issue, fileName = "config.json"): string {
  const pointer = issue.pointer === "" ? "" : ` ${issue.pointer}`;
  const hint = issue.hint === undefined ? "" : ` (hint: ${issue.hint})`;
  return `${fileName}:${issue.line}:${issue.column}${pointer}: ${issue.message}${hint}`;
}

/**
 * The error to throw for what a validation found.
 *
 * @param issues - what a validation returned.
 * @param fileName - what the text is called.
 * @returns undefined when there are warnings at most. Otherwise an error about the first one, whose message says how many
 *   more there are and whose `details.issues` has all: `ERR_RUNLET_CONFIG_SYNTAX` for what is not JSON,
 *   `ERR_RUNLET_CONFIG_INVALID` for the rest.
 */
export function toRunletError(issues: readonly Issue[], fileName = "config.json"): RunletError | undefined {
  const errors = issues.filter(({ severity }) => severity === "error");
  const [first] = errors;
  if (first === undefined) return undefined;
  const isSyntax = first.rule === "json.syntax" || first.rule === "json.encoding" || first.rule === "json.size";
  const more = errors.length - 1;
  const where = fileName === "config.json" ? ": `runlet validate` shows all" : "";
  const rest = more === 0 ? "" : ` (and ${more} more ${more === 1 ? "error" : "errors"}${where})`;
  const options = {
    hint: misspelling(first, issues) ?? first.hint,
    details: { issues, line: first.line, column: first.column },
  };
  if (isSyntax) {
    const message = `${fileName} is not valid JSON: line ${first.line}, column ${first.column}: ${first.message}`;
    return new RunletError("ERR_RUNLET_CONFIG_SYNTAX", message, options);
  }
  const message = `${first.message}${rest}`;
  return new RunletError("ERR_RUNLET_CONFIG_INVALID", message, {
    ...options,
    pointer: first.pointer,
    ...(fileName === "config.json" ? {} : { document: fileName }),
  });
}

/** Whether what an error misses is there under a name that is nearly right. */
function misspelling({ pointer, message, hint = "" }: Issue, issues: readonly Issue[]): string | undefined {
  for (const unknown of issues) {
    const meant =
      unknown.rule === "fields.unknown" ? /^did you mean (".*")\?$/.exec(unknown.hint ?? "")?.[1] : undefined;
    const isBeside = unknown.pointer.slice(0, unknown.pointer.lastIndexOf("/")) === pointer;
    if (meant !== undefined && isBeside && `${message} ${hint}`.includes(meant))
      return `${quote(unknown.pointer)} is there: did you mean ${meant}?`;
  }
  return undefined;
}
