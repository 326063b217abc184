import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FreshDirectory } from "./fresh-directory.ts";
import { median } from "./report.ts";
import { findUnpackContestants, hideContainerState, type UnpackContestant } from "./unpack-contestants.ts";
import { type BenchLayer, type LayerShape, makeLayer } from "./unpack-layers.ts";

/** What was measured of one program with one layer. */
export interface UnpackEntry {
  readonly contestant: string;
  readonly layer: string;
  readonly medianMs: number;
  readonly minimumMs: number;
  /** The least time of processors, of the program and the kernel together: what other load does not change much. */
  readonly minimumCpuMs: number;
  readonly samples: number;
}

/** All measurements, and what is to be known of them. */
export interface UnpackComparison {
  readonly entries: readonly UnpackEntry[];
  /** Who is not among them, and why. */
  readonly absent: readonly string[];
  /** How it was measured, as sentences. */
  readonly notes: readonly string[];
}

interface Sample {
  readonly elapsedMs: number;
  readonly cpuMs: number;
}

const shapes: readonly LayerShape[] = [
  { title: "50000 files of 4 KiB on average", files: 50_000, meanBytes: 4 << 10 },
  { title: "1 GiB in 64 files", files: 64, meanBytes: 16 << 20 },
];
const quickShapes: readonly LayerShape[] = [
  { title: "5000 files of 4 KiB on average", files: 5_000, meanBytes: 4 << 10 },
  { title: "128 MiB in 8 files", files: 8, meanBytes: 16 << 20 },
];

const fairness = [
  "What was written before is on the disk when a measurement begins. What a contestant writes need not be there when it ends,",
  "but for runlet's store, which waits for it. Those with a store check digests too, and skopeo and podman note how to write",
  "the archive again. In process is after a first time, which compiles; commands are measured with their start.",
];

/**
 * Compares how long the unpacking of a layer takes, interleaved. To be called by who is alone in a mount namespace.
 *
 * @param options.rounds - how often everybody unpacks each layer.
 */
export async function compareUnpacking(options: {
  rounds: number;
  isQuick: boolean;
  only: string;
}): Promise<UnpackComparison> {
  // podman takes no long paths.
  const scratch = mkdtempSync(join(tmpdir(), "runlet-bench-"));
  const { contestants, absent } = findUnpackContestants(options.only);
  const restore = hideContainerState();
  const entries: UnpackEntry[] = [];
  const notes = [...fairness];
  try {
    for (const shape of options.isQuick ? quickShapes : shapes) {
      const layer = await makeLayer(scratch, shape);
      const place = new FreshDirectory({ scratch, sizeBytes: 4 * layer.totalBytes + 2 ** 30 });
      if (!place.hasOwnFileSystem) notes.push(`There are no loop devices: all share the file system of ${scratch}.`);
      const samples = await measureAll({ contestants, layer, place, rounds: options.rounds, absent });
      for (const [contestant, taken] of samples) {
        const elapsed = taken.map(({ elapsedMs }) => elapsedMs);
        entries.push({
          contestant,
          layer: shape.title,
          medianMs: median(elapsed),
          minimumMs: Math.min(...elapsed),
          minimumCpuMs: Math.min(...taken.map(({ cpuMs }) => cpuMs)),
          samples: taken.length,
        });
      }
      rmSync(layer.layoutPath, { recursive: true });
      rmSync(join(scratch, "target"), { recursive: true });
    }
  } finally {
    restore();
    rmSync(scratch, { recursive: true, force: true });
  }
  return { entries, absent, notes: [...new Set(notes)] };
}

async function measureAll(options: {
  contestants: Set<UnpackContestant>;
  layer: BenchLayer;
  place: FreshDirectory;
  rounds: number;
  absent: string[];
}): Promise<Map<string, Sample[]>> {
  const { contestants, layer, place, rounds, absent } = options;
  const samples = new Map<string, Sample[]>(Array.from(contestants, ({ name }) => [name, []]));
  // In the first round, which is not counted, the archive gets into the page cache.
  for (let round = -1; round < rounds; round++) {
    for (const contestant of contestants) {
      const taken = samples.get(contestant.name);
      if (taken === undefined || (round < 0 && !contestant.warmsUp)) continue;
      try {
        const sample = await measure(contestant, layer, place);
        if (round >= 0) taken.push(sample);
      } catch (error) {
        // A peer that does not work on this machine is no reason not to measure the others.
        if (contestant.name.includes("runlet")) throw error;
        absent.push(`${contestant.name}: ${error instanceof Error ? error.message : error}`);
        contestants.delete(contestant);
        samples.delete(contestant.name);
      }
    }
  }
  return samples;
}

async function measure(contestant: UnpackContestant, layer: BenchLayer, place: FreshDirectory): Promise<Sample> {
  try {
    const directory = place.make();
    const cpuMs = readCpuMs();
    const begin = process.hrtime.bigint();
    await contestant.unpack(layer, directory);
    const elapsedMs = Number(process.hrtime.bigint() - begin) / 1e6;
    return { elapsedMs, cpuMs: readCpuMs() - cpuMs };
  } finally {
    place.remove();
  }
}

/** Time of processors that this process and the children that it has waited for have had, in steps of 10 ms. (proc_pid_stat(5)) */
function readCpuMs(): number {
  const stat = readFileSync("/proc/self/stat", "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
  return ticks * 10;
}

/** The measurements as a table for a person. */
export function formatUnpacking({ entries, absent, notes }: UnpackComparison): string {
  const lines: string[] = [];
  for (const layer of new Set(entries.map((entry) => entry.layer))) {
    const rows = entries.filter((entry) => entry.layer === layer);
    const reference = rows.find(({ contestant }) => contestant === "GNU tar")?.minimumMs;
    lines.push("", `unpack a layer: ${layer}`, row("", "median", "minimum", "processors", "/ GNU tar"));
    for (const { contestant, medianMs, minimumMs, minimumCpuMs } of rows) {
      const ratio = reference === undefined ? "" : (minimumMs / reference).toFixed(2);
      const times = [medianMs, minimumMs, minimumCpuMs].map((time) => `${time.toFixed(0)} ms`);
      lines.push(row(contestant, ...times, ratio));
    }
  }
  const reasons = absent.map((reason) => `Not measured: ${reason}`);
  return [...reasons, ...notes, ...lines].join("\n");
}

function row(name: string, ...cells: string[]): string {
  return `  ${name.padEnd(46)}${cells.map((cell) => cell.padStart(12)).join("")}`.trimEnd();
}
