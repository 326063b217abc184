import { formatError, isRunletError } from "@runlet/errors";
import { describe, expect, it } from "vitest";
import { formatIssue, toRunletError, validateConfig } from "./index.ts";

const minimal =
  '{"ociVersion": "1.3.0", "root": {"path": "rootfs"}, "process": {"user": {"uid": 0, "gid": 0}, "cwd": "/", "args": ["/x"]}}';

describe("toRunletError", () => {
  it("has nothing to say about warnings", () => {
    const { issues } = validateConfig(minimal.replace('"cwd"', '"x": 1, "cwd"'));
    expect(issues).toHaveLength(1);
    expect(toRunletError(issues)).toBeUndefined();
  });

  it("is about the first error, and has all issues", () => {
    const { issues } = validateConfig(minimal.replace('"cwd": "/"', '"x": 1, "cwd": 5').replace("1.3.0", "4.0.0"));
    const error = toRunletError(issues);
    expect(isRunletError(error)).toBe(true);
    expect(error).toMatchObject({
      code: "ERR_RUNLET_CONFIG_INVALID",
      pointer: "/ociVersion",
      message:
        "version 4.0.0 of the specification is not compatible with 1.3.0 (and 1 more error: `runlet validate` shows all)",
      details: { issues, line: 1, column: 16 },
    });
    expect(issues).toHaveLength(3);
    expect(formatError(error)).toBe(
      "config.json /ociVersion: version 4.0.0 of the specification is not compatible with 1.3.0 (and 1 more error: `runlet validate` shows all)\n" +
        "  hint: any version 1.x is",
    );
  });

  it("points at a misspelt name where the right one is missing, and only there", () => {
    const hintOf = (text: string) => toRunletError(validateConfig(text).issues)?.hint;
    expect(hintOf(minimal.replace('"process"', '"proces"'))).toBe('"/proces" is there: did you mean "process"?');
    expect(hintOf(minimal.replace('"args"', '"arg"'))).toBe('"/process/arg" is there: did you mean "args"?');
    expect(hintOf(minimal.replace('"args"', '"envv": [], "other"'))).toBe('put it first in "args"');
    expect(hintOf(minimal.replace('"process"', '"hostnam": "x", "processes"'))).not.toContain("hostnam");
  });

  it("says which file it is about, if not config.json", () => {
    const { issues } = validateConfig(minimal.replace('"/x"', "7"));
    expect(toRunletError(issues)?.document).toBeUndefined();
    expect(formatError(toRunletError(issues, "other.json"))).toBe(
      "other.json /process/args/0: must be a string, not 7",
    );
  });

  it("says of a text that is not JSON where it ends to be", () => {
    const error = toRunletError(validateConfig('{\n  "a": 1,\n}').issues, "process.json");
    expect(error).toMatchObject({
      code: "ERR_RUNLET_CONFIG_SYNTAX",
      message: 'process.json is not valid JSON: line 3, column 1: expected a name in double quotes, found "}"',
      hint: "remove the comma before it",
    });
    expect(error?.pointer).toBeUndefined();
  });
});

describe("formatIssue", () => {
  it("is as compilers write", () => {
    const { issues } = validateConfig(minimal.replace('"/x"', "7"));
    expect(issues.map((issue) => formatIssue(issue))).toEqual([
      `config.json:1:${minimal.indexOf('"/x"') + 1} /process/args/0: must be a string, not 7`,
    ]);
    expect(validateConfig(minimal.replace("{", '{"hostnam": "x", ')).issues.map((issue) => formatIssue(issue))).toEqual(
      [
        'config.json:1:2 /hostnam: the specification has no field "hostnam" here, so it is ignored (hint: did you mean "hostname"?)',
      ],
    );
    expect(validateConfig("").issues.map((issue) => formatIssue(issue, "-"))).toEqual([
      "-:1:1: expected a value, found the end of the text",
    ]);
  });
});
