import { execFileSync } from "node:child_process";
import { rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { compileSeccomp } from "../src/index.ts";
import { buildLibseccomp, describeProfile, timeLibseccomp } from "./libseccomp.ts";
import { dockerProfile, podmanProfile } from "./profiles.ts";

// Compilation is part of every container's start. Both sides start from the checked-in profile and end with the bytes of
// the filter; neither counts reading JSON. Their turns alternate, so that a busy machine slows both.

const nativeArch = "SCMP_ARCH_X86_64";
const rounds = 15;
/** What else the machine does falls on one side more than on the other in a few rounds, and not in many. */
const mostRounds = 60;
const turns = 10;

const packageDirectory = fileURLToPath(new URL("..", import.meta.url));

const firstCompilation = `
import { readFileSync } from "node:fs";
import { compileSeccomp } from "./dist/index.js";
const profile = JSON.parse(readFileSync(0, "utf8"));
const start = process.hrtime.bigint();
compileSeccomp(profile, { nativeArch: "${nativeArch}" });
console.log(String(process.hrtime.bigint() - start));
`;

let program: string;
let directory: string;

beforeAll(() => {
  ({ program, directory } = buildLibseccomp());
  // The first compilation is measured on what is shipped.
  const compiler = fileURLToPath(new URL("../../../node_modules/typescript/bin/tsc", import.meta.url));
  execFileSync(process.execPath, [compiler, "-b"], { cwd: packageDirectory });
}, 120_000);

afterAll(() => rmSync(directory, { recursive: true }));

function median(values: readonly number[]): number {
  return [...values].sort((left, right) => left - right)[Math.floor(values.length / 2)] as number;
}

function inMs(ns: number): string {
  return `${(ns / 1e6).toFixed(2)} ms`;
}

interface Times {
  readonly ours: number[];
  readonly theirs: number[];
}

/** Measures until the ratio is below a limit, or enough has been seen to say that it is not. */
function measure(limit: number, round: (times: Times) => void): { ratio: number; words: string } {
  const times: Times = { ours: [], theirs: [] };
  for (let count = 1; ; count++) {
    round(times);
    if (count % rounds !== 0) continue;
    const [ours, theirs] = [median(times.ours), median(times.theirs)];
    const ratio = ours / theirs;
    const words = `${inMs(ours)}, libseccomp ${inMs(theirs)}, ratio ${ratio.toFixed(3)}, ${count} rounds`;
    if (ratio < limit || count >= mostRounds) return { ratio, words };
  }
}

describe("the time of a compilation", () => {
  it("is less than two fifths of libseccomp's the first time in a process, with nothing decoded and nothing optimised", async ({
    annotate,
  }) => {
    const profile = dockerProfile(nativeArch);
    const lines = describeProfile(profile, nativeArch);
    const node = ["--input-type=module", "--eval", firstCompilation];
    const options = { cwd: packageDirectory, input: JSON.stringify(profile), encoding: "utf8" } as const;
    const { ratio, words } = measure(2 / 5, ({ ours, theirs }) => {
      ours.push(Number(execFileSync(process.execPath, node, options)));
      theirs.push(...timeLibseccomp(program, lines, 1));
    });
    await annotate(words);
    expect(ratio).toBeLessThan(2 / 5);
  }, 120_000);

  for (const make of [dockerProfile, podmanProfile]) {
    it(`is at most a third of libseccomp's again and again, ${make.name}`, async ({ annotate }) => {
      const profile = make(nativeArch);
      const lines = describeProfile(profile, nativeArch);
      const { ratio, words } = measure(1 / 3, ({ ours, theirs }) => {
        theirs.push(median(timeLibseccomp(program, lines, turns)));
        for (let turn = 0; turn < turns; turn++) {
          const start = process.hrtime.bigint();
          compileSeccomp(profile, { nativeArch });
          ours.push(Number(process.hrtime.bigint() - start));
        }
      });
      await annotate(words);
      expect(ratio).toBeLessThan(1 / 3);
    }, 120_000);
  }
});
