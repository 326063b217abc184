import { execFileSync } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { commands } from "../commands.ts";
import { formatCompletion } from "./index.ts";

let directory: string;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "runlet-completion-"));
  writeFileSync(join(directory, "completion"), formatCompletion("bash", "runlet"));
  writeFileSync(join(directory, "config.json"), "");
  // Stands in for the program: names the containers of the state directory that it is asked for.
  writeFileSync(join(directory, "runlet"), '#!/bin/sh\n[ "$*" = "--root /a list -q" ] && echo web1 web2\n');
  chmodSync(join(directory, "runlet"), 0o755);
});
afterAll(() => rmSync(directory, { recursive: true }));

/** What bash offers for the last word. */
function complete(...words: string[]): string[] {
  const script = `source ./completion; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _runlet; printf "%s\\n" "\${COMPREPLY[@]}"`;
  const output = execFileSync("bash", ["--norc", "-c", script, "bash", ...words], { cwd: directory, encoding: "utf8" });
  return output.split("\n").filter(Boolean);
}

describe("the completion of bash", () => {
  it.each([
    [
      ["runlet", "st"],
      ["start", "state"],
    ],
    [
      ["runlet", "--log-format", ""],
      ["text", "json"],
    ],
    [
      ["runlet", "--log-format", "json", "--ro"],
      ["--root", "--rootless"],
    ],
    [
      ["runlet", "--rootless", ""],
      ["true", "false", "auto"],
    ],
    [
      ["runlet", "run", "--con"],
      ["--config", "--console-socket"],
    ],
    [["runlet", "run", "web", "--det"], ["--detach"]],
    [["runlet", "run", "--pid-file", "conf"], ["config.json"]],
    [["runlet", "run", "--preserve-fds", ""], []],
    [["runlet", "run", ""], []],
    [["runlet", "kill", "web", "TE"], ["TERM"]],
    [
      ["runlet", "list", "-f", ""],
      ["table", "json"],
    ],
    [
      ["runlet", "completion", ""],
      ["bash", "zsh", "fish"],
    ],
    [
      ["runlet", "help", "sta"],
      ["start", "state"],
    ],
    [
      ["./runlet", "--root", "/a", "kill", ""],
      ["web1", "web2"],
    ],
    [["./runlet", "--root", "/b", "kill", ""], []],
    [["runlet", "im"], ["image"]],
    [
      ["runlet", "image", "t"],
      ["tag", "tree", "tags"],
    ],
    [
      ["runlet", "image", "tree", "--s"],
      ["--store", "--svg"],
    ],
    [["runlet", "image", "pull", "--tls-verify", "f"], ["false"]],
    [["runlet", "image", "tree", "--svg", "conf"], ["config.json"]],
    [["runlet", "--log-format", "json", "image", "pus"], ["push"]],
  ])("offers for %j %j", (words, offered) => {
    expect(complete(...words)).toEqual(offered);
  });
});

describe.each(["bash", "zsh", "fish"] as const)("the completion of %s", (shell) => {
  it("has every command that is shown and supported, and no other", () => {
    const script = formatCompletion(shell, "runlet");
    for (const { name, hidden, load } of commands) {
      // The words of a name stand apart, or joined by a slash.
      const isOffered = name.split(" ").every((word) => new RegExp(`(^|[ '/])${word}([: '/]|\\))`, "m").test(script));
      expect([name, isOffered]).toEqual([name, hidden !== true && load !== undefined]);
    }
  });

  it("completes the name that the program was called by", () => {
    const script = formatCompletion(shell, "run-c");
    expect(script).toContain("run-c");
    expect(script).toContain("_run_c");
    expect(script).not.toMatch(/_runlet|\brunlet (list|\$)|-c runlet|#compdef runlet/);
  });
});
