import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { checkSkips } from "./test-report.js";

type Report = Parameters<typeof checkSkips>[0];

const skips = JSON.parse(readFileSync(join(import.meta.dirname, "../test-e2e/skips.json"), "utf8")) as Record<
  string,
  string[]
>;
const [environment = "", accepted = []] = Object.entries(skips)[0] ?? [];

function report(...skipReasons: [string, number][]): Report {
  return { passed: 1, failed: 0, skipped: 1, skipReasons: new Map(skipReasons) } as Report;
}

const ciScript = readFileSync(join(import.meta.dirname, "../.ci/run"), "utf8");

describe(".ci/run", () => {
  it("chooses flows through engines that are there: a file of which none is left passes", () => {
    const choices = [...ciScript.matchAll(/flows\+?="([^"]+)"/g)].flatMap(([, words = ""]) => words.split("|"));
    const engines = join(import.meta.dirname, "../test-e2e/engines");
    const titles = readdirSync(engines)
      .filter((name) => name.endsWith(".test.ts"))
      .flatMap((name) => [...readFileSync(join(engines, name), "utf8").matchAll(/\bflow\(\s*(["`])(.*?)\1,/g)])
      .map(([, , title = ""]) => title);
    expect(choices).toContain("is asked to end");
    const absent = choices.filter((choice) => choice !== "" && !titles.some((title) => new RegExp(choice).test(title)));
    expect(absent).toEqual([]);
  });
});

describe("test-e2e/skips.json", () => {
  it("has the reasons of each kind of run that .ci/run counts", () => {
    const runtimes = [...ciScript.matchAll(/^ *(?:local runtime=|for runtime in )([^;\n]+)/gm)].flatMap(
      ([, words = ""]) => words.split(" ").map((word) => (word.includes("/") ? "standalone" : word)),
    );
    expect(runtimes).toEqual(expect.arrayContaining(["runc", "crun", "standalone", "engines"]));
    for (const runtime of ["runlet", ...runtimes])
      expect(Object.keys(skips), runtime).toContainEqual(expect.stringMatching(new RegExp(`^${runtime} root `)));
  });
});

describe("checkSkips", () => {
  it("takes the accepted reasons, however often, and those that stand in the test", () => {
    const known = accepted.map((reason): [string, number] => [reason, 1000]);
    expect(checkSkips(report(...known, ["runc does not have it", 3], ["needs root", 4]), environment)).toEqual([]);
    expect(checkSkips(report(), environment)).toEqual([]);
  });

  it("complains of a reason that lies in the machine and that nobody has accepted", () => {
    expect(checkSkips(report(["needs a thing that was there", 2]), environment)).toEqual([
      `2 skipped as nobody has accepted for "${environment}" in test-e2e/skips.json: "needs a thing that was there"`,
    ]);
    expect(checkSkips(report(["needs a thing that was there", 2]), "a machine that is not listed")).toEqual([]);
  });

  it("complains of a test without a reason, on every machine", () => {
    for (const name of [environment, "a machine that is not listed"])
      expect(checkSkips(report(["no reason given", 5]), name)).toEqual(["5 tests are skipped without a reason"]);
  });
});
