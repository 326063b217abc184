import { readFileSync, statSync } from "node:fs";
import { join, normalize } from "node:path";
import { errnoMessage, quote, RunletError } from "@runlet/errors";
import { type Issue, validateConfig } from "@runlet/validator";
import type { Invocation } from "../command.ts";
import type { validateOptions, validatePositionals } from "../options/bundle.ts";
import { readStandardInput } from "../standard-input.ts";

const standardInput = "-";
const configName = "config.json";

/** Prints every issue of a config; the status is 1 if one of them is an error. */
export function run(invocation: Invocation<typeof validateOptions, typeof validatePositionals>): number {
  const { options, positionals, print } = invocation;
  const { name, text } = readConfig(positionals.source ?? ".");
  const { issues } = validateConfig(text);
  if (options.json) print(JSON.stringify(issues, undefined, 2));
  else if (issues.length > 0) print(issues.map((issue) => formatIssueLine(name, issue)).join("\n"));
  return issues.some((issue) => issue.severity === "error") ? 1 : 0;
}

/** `config.json:12:5: error /linux/namespaces/2: message (hint: …)`, as compilers write it. */
export function formatIssueLine(fileName: string, issue: Issue): string {
  const { column, hint, line, message, pointer, severity } = issue;
  return `${fileName}:${line}:${column}: ${severity} ${pointer || "/"}: ${message}${hint === undefined ? "" : ` (hint: ${hint})`}`;
}

function readConfig(source: string): { name: string; text: Uint8Array } {
  if (source === standardInput) return { name: "<stdin>", text: readStandardInput() };
  const isBundle = statSync(source, { throwIfNoEntry: false })?.isDirectory() ?? false;
  const hostPath = isBundle ? normalize(join(source, configName)) : source;
  try {
    return { name: hostPath, text: readFileSync(hostPath) };
  } catch (error) {
    const { code = "EIO" } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" && isBundle) {
      throw new RunletError("ERR_RUNLET_CONFIG_MISSING", `JSON specification file ${configName} not found`, {
        hint: "name a bundle, which is a directory with a config.json, or make one with the spec command",
        details: { path: hostPath },
        cause: error,
      });
    }
    throw new RunletError("ERR_RUNLET_BUNDLE", `cannot read ${quote(hostPath)}: ${errnoMessage(code)}`, {
      details: { path: hostPath },
      cause: error,
    });
  }
}
