import { type Case, kernelShare, type Sizes } from "./contestant.ts";

/** What was measured of one contestant in one case. */
export interface Entry {
  readonly contestant: string;
  readonly case: Case;
  /** Of all samples, each divided by the number of containers it had. */
  readonly medianMs: number;
  readonly minimumMs: number;
  readonly samples: number;
  readonly peakKiB: number | null;
}

/** Targets of a run: each a ratio of two contestants' medians in the case of one run. */
interface Target {
  readonly contestant: string;
  readonly against: string;
  readonly atMost: number;
}

/** What the project promises; all in the case `run`. */
const targets: readonly Target[] = [
  { contestant: "runlet, in process, Node", against: kernelShare, atMost: 1.5 },
  { contestant: "runlet, in process, Node", against: "crun", atMost: 0.5 },
  { contestant: "runlet, standalone", against: "runc", atMost: 0.6 },
  { contestant: "runlet, standalone", against: "crun", atMost: 1.5 },
];

export function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? upper) + upper) / 2;
}

const titles = (sizes: Sizes): Record<Case, string> => ({
  run: "run /bin/true, from create to delete",
  cycle: "create + start + delete, as three calls",
  inARow: `${sizes.inARow} in a row, each`,
  atATime: `${sizes.atATime} at a time, each`,
});

/** The measurements as a table for a person. */
export function formatTable(entries: readonly Entry[], sizes: Sizes): string {
  const lines: string[] = [];
  for (const [what, title] of Object.entries(titles(sizes))) {
    const rows = entries.filter((entry) => entry.case === what);
    if (rows.length === 0) continue;
    const reference = (name: string) => rows.find((row) => row.contestant === name)?.medianMs;
    const ratio = (row: Entry, name: string) => {
      const other = reference(name);
      return other === undefined ? "" : (row.medianMs / other).toFixed(2);
    };
    lines.push("", title);
    lines.push(row("", "median", "minimum", "/ crun", "/ runc", "peak memory"));
    for (const entry of rows) {
      const peak = entry.peakKiB === null ? "" : `${(entry.peakKiB / 1024).toFixed(1)} MiB`;
      lines.push(
        row(
          entry.contestant,
          `${entry.medianMs.toFixed(2)} ms`,
          `${entry.minimumMs.toFixed(2)} ms`,
          ratio(entry, "crun"),
          ratio(entry, "runc"),
          peak,
        ),
      );
    }
  }
  return lines.join("\n").trimStart();
}

function row(name: string, ...cells: string[]): string {
  return `  ${name.padEnd(34)}${cells.map((cell) => cell.padStart(13)).join("")}`.trimEnd();
}

/** @returns one line for each target: whether it was met, and by what; `met` is null when somebody was absent. */
export function checkTargets(entries: readonly Entry[]): { line: string; met: boolean | null }[] {
  return targets.map(({ contestant, against, atMost }) => {
    const of = (name: string) => entries.find((entry) => entry.case === "run" && entry.contestant === name)?.medianMs;
    const [mine, theirs] = [of(contestant), of(against)];
    if (mine === undefined || theirs === undefined) {
      return {
        met: null,
        line: `absent   ${contestant} / ${against}: ${mine === undefined ? contestant : against} was not measured`,
      };
    }
    const ratio = mine / theirs;
    return {
      met: ratio <= atMost,
      line: `${ratio <= atMost ? "met     " : "NOT MET "} ${contestant} / ${against} = ${ratio.toFixed(2)}, at most ${atMost}`,
    };
  });
}
