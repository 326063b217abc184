/**
 * Compares runlet with its peers and with the kernel's own share, in one run and interleaved, so that whatever else the
 * machine does meets all of them alike.
 *
 *   pnpm bench [--only TEXT] [--case NAME] [--rounds N] [--turn N] [--quick] [--json] [--assert]
 *
 * In the case `run` each turn is one run. With `--turn N` it is N runs one after the other, each of which is a sample: what
 * counts is the contestant then, and not the caches that the one before it has left.
 */
import { spawnSync } from "node:child_process";
import { rmSync } from "node:fs";
import { parseArgs } from "node:util";
import { type Case, cases, findContestants, type Sizes, warmUpCount } from "./contestant.ts";
import { hostLayout, runInMountNamespace, unifiedPath } from "./mount-namespace.ts";
import { checkTargets, type Entry, formatTable, median } from "./report.ts";
import { makeScene } from "./scene.ts";
import { compareUnpacking, formatUnpacking, type UnpackComparison } from "./unpack.ts";

const { values } = parseArgs({
  options: {
    only: { type: "string", default: "" },
    case: { type: "string" },
    rounds: { type: "string", default: "30" },
    turn: { type: "string", default: "1" },
    quick: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    assert: { type: "boolean", default: false },
    help: { type: "boolean", short: "h", default: false },
  },
});

async function compare(): Promise<void> {
  const say = values.json ? () => undefined : (text: string) => console.log(text);
  const rounds = values.quick ? 9 : Number(values.rounds);
  const runsPerTurn = Number(values.turn);
  const sizes: Sizes = values.quick ? { inARow: 20, atATime: 16 } : { inARow: 200, atATime: 16 };
  // A round of the cases of many takes as long as many rounds of one: fewer of them say as much.
  const roundsOf: Record<Case, number> = {
    // One run takes the least time, and the targets are about it.
    run: values.quick ? 2 * rounds : rounds,
    cycle: rounds,
    inARow: Math.max(3, rounds / 10),
    atATime: Math.max(3, rounds / 3),
  };

  const warmUpRounds: Record<Case, number> = { run: 10, cycle: 1, inARow: 1, atATime: 1 };

  const scene = makeScene();
  const { contestants, absent } = await findContestants(scene, values.only);
  say("All keep what they know about containers on a tmpfs.");
  if (hostLayout === "hybrid")
    say(`All are measured without ${unifiedPath}, since crun refuses a hybrid cgroup layout.`);
  say(`Those in process have run ${warmUpCount} containers before.`);
  if (runsPerTurn > 1) say(`Each turn is ${runsPerTurn} runs, one after the other.`);
  for (const reason of absent) say(`Not measured: ${reason}.`);
  const entries: Entry[] = [];
  try {
    for (const contestant of contestants) await contestant.warmUp?.();
    for (const what of cases.filter((name) => values.case === undefined || name === values.case)) {
      const samples = new Map<string, { times: number[]; peak: number | null }>();
      // The first rounds warm caches, and the JIT of those that live on; they are not counted.
      for (let round = -warmUpRounds[what]; round < roundsOf[what]; round++) {
        for (const contestant of shuffled(contestants)) {
          for (let left = what === "run" ? runsPerTurn : 1; left > 0; left--) {
            const sample = await contestant.measure(what, sizes);
            if (sample === undefined || round < 0) continue;
            const kept = samples.get(contestant.name) ?? { times: [], peak: null };
            const divisor = what === "inARow" ? sizes.inARow : what === "atATime" ? sizes.atATime : 1;
            kept.times.push(sample.nanoseconds / 1e6 / divisor);
            if (sample.peakKiB !== null) kept.peak = Math.max(kept.peak ?? 0, sample.peakKiB);
            samples.set(contestant.name, kept);
          }
        }
      }
      for (const { name } of contestants) {
        const { times, peak } = samples.get(name) ?? { times: [], peak: null };
        if (times.length === 0) continue;
        entries.push({
          contestant: name,
          case: what,
          medianMs: median(times),
          minimumMs: Math.min(...times),
          samples: times.length,
          peakKiB: peak,
        });
      }
    }
  } finally {
    for (const contestant of contestants) contestant.close();
    spawnSync("umount", ["--lazy", scene.stateDirectory]);
    rmSync(scene.directory, { recursive: true, force: true });
  }

  const unpacking = values.case === undefined ? await unpack() : undefined;
  const checks = checkTargets(entries);
  if (values.json) console.log(JSON.stringify({ sizes, entries, unpacking, targets: checks, absent }, null, 2));
  say(formatTable(entries, sizes));
  if (unpacking !== undefined) say(`\n${formatUnpacking(unpacking)}`);
  say(["", "Targets", ...checks.map(({ line }) => `  ${line}`)].join("\n"));
  if (values.assert && checks.some(({ met }) => met !== true)) process.exitCode = 1;
}

/** In another order each round, so that nobody always comes after the same one, and finds what that one has left. */
function shuffled<Item>(items: readonly Item[]): Item[] {
  const order = [...items];
  for (let left = order.length; left > 1; left--) {
    const index = Math.floor(Math.random() * left);
    order.push(...order.splice(index, 1));
  }
  return order;
}

/** The case `unpack`, which is no container's: an archive becomes files. One round of it takes as long as many of the others. */
function unpack(): Promise<UnpackComparison> {
  const rounds = values.quick ? 3 : Math.max(3, Math.round(Number(values.rounds) / 10));
  return compareUnpacking({ rounds, isQuick: values.quick, only: values.only });
}

async function compareOnlyUnpacking(): Promise<void> {
  const unpacking = await unpack();
  console.log(values.json ? JSON.stringify({ unpacking }, null, 2) : formatUnpacking(unpacking));
}

if (values.help)
  console.log("usage: pnpm bench [--only TEXT] [--case NAME] [--rounds N] [--turn N] [--quick] [--json] [--assert]");
else if (process.getuid?.() !== 0) {
  console.error("bench: the peers and the bare program need root");
  process.exitCode = 1;
} else if (!runInMountNamespace()) await (values.case === "unpack" ? compareOnlyUnpacking() : compare());
