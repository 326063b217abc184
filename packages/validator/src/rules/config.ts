import { quote } from "@runlet/errors";
import { hookNames, type Spec } from "@runlet/spec";
import type { Unsound } from "../issue.ts";
import { present, presentMembers, type Rule } from "../rule.ts";

/** Semantic Versioning 2.0.0. */
const semVer =
  /^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:-(?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)(?:\.(?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*))*)?(?:\+[0-9a-zA-Z-]+(?:\.[0-9a-zA-Z-]+)*)?$/;

/** Rules about entries that every platform has. */
export const configRules: readonly Rule[] = [
  {
    id: "ociVersion.semVer",
    spec: "config.md#specification-version",
    check({ ociVersion }, report) {
      if (ociVersion === undefined) return;
      const major = semVer.exec(ociVersion)?.[1];
      if (major === undefined) {
        report({
          at: ["ociVersion"],
          message: `${quote(ociVersion)} is not a version of the form MAJOR.MINOR.PATCH`,
          hint: 'write "1.3.0"',
        });
      } else if (major !== "1") {
        report({
          at: ["ociVersion"],
          message: `version ${ociVersion} of the specification is not compatible with 1.3.0`,
          hint: "any version 1.x is",
        });
      }
    },
  },
  {
    id: "annotations.key",
    spec: "config.md#annotations",
    check({ annotations }, report) {
      for (const [key] of presentMembers(annotations)) {
        if (key === "") report({ at: ["annotations", key], message: "an annotation must have a name", atKey: true });
      }
    },
  },
  {
    id: "hooks.path",
    spec: "config.md#posix-platform-hooks",
    check(config, report) {
      for (const { at, hook } of listHooks(config)) {
        if (hook.path === undefined || hook.path.startsWith("/")) continue;
        report({ at: [...at, "path"], message: `the hook's path ${quote(hook.path)} is not absolute` });
      }
    },
  },
  {
    id: "hooks.env",
    spec: "config.md#posix-platform-hooks",
    check(config, report) {
      for (const { at, hook } of listHooks(config)) {
        for (const [index, entry] of present(hook.env)) {
          if (!isVariable(entry))
            report({ at: [...at, "env", index], message: notVariable(entry), severity: "warning" });
        }
      }
    },
  },
];

/** Rules about the process that hold for exec as well; the subject is the process. */
export const processRules: readonly Rule<Unsound<NonNullable<Spec["process"]>>>[] = [
  {
    id: "process.args",
    spec: "config.md#process",
    check({ args, commandLine }, report) {
      if (commandLine !== undefined) return;
      if (args === undefined || args.length === 0) {
        report({
          at: args === undefined ? [] : ["args"],
          message: "the process has no executable to run",
          hint: 'put it first in "args"',
        });
      } else if (args[0] === "") report({ at: ["args", 0], message: "the name of the executable is empty" });
    },
  },
  {
    id: "process.env",
    spec: "config.md#process",
    check({ env }, report) {
      for (const [index, entry] of present(env)) {
        if (!isVariable(entry)) report({ at: ["env", index], message: notVariable(entry), severity: "warning" });
      }
    },
  },
];

/** The config's process and root, which `start` needs. */
export const startRules: readonly Rule[] = [
  {
    id: "process.required",
    spec: "config.md#process",
    check({ process }, report) {
      if (process === undefined)
        report({ at: [], message: 'the field "process" is missing: there is nothing to start' });
    },
  },
];

function listHooks({ hooks }: Unsound<Spec>) {
  return hookNames.flatMap((name) =>
    present(hooks?.[name]).map(([index, hook]) => ({ at: ["hooks", name, index], hook })),
  );
}

function isVariable(entry: string): boolean {
  return entry.indexOf("=") > 0;
}

function notVariable(entry: string): string {
  return `${quote(entry)} is not of the form NAME=value`;
}
