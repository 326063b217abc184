import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { unpackArchive } from "@runlet/rootfs";
import { median } from "./report.ts";
import { type BenchLayer, type LayerShape, makeLayer } from "./unpack-layers.ts";

/** What was measured of one program with one layer. */
export interface UnpackEntry {
  readonly contestant: string;
  readonly layer: string;
  readonly medianMs: number;
  readonly minimumMs: number;
  readonly samples: number;
}

interface Contestant {
  readonly name: string;
  unpack(layer: BenchLayer, directory: string): Promise<void> | void;
}

const shapes: readonly LayerShape[] = [
  { title: "50000 files of 4 KiB on average", files: 50_000, meanBytes: 4 << 10 },
  { title: "1 GiB in 64 files", files: 64, meanBytes: 16 << 20 },
];
const quickShapes: readonly LayerShape[] = [
  { title: "5000 files of 4 KiB on average", files: 5_000, meanBytes: 4 << 10 },
  { title: "128 MiB in 8 files", files: 8, meanBytes: 16 << 20 },
];

/** The peers, each called to keep owners, modes and times as the archive has them, which is what runlet does. */
const peers: readonly {
  readonly name: string;
  readonly program: string;
  args(layer: BenchLayer, directory: string): string[];
}[] = [
  {
    name: "GNU tar",
    program: "tar",
    args: ({ archivePath }, directory) => [
      "-x",
      "-p",
      "--same-owner",
      "--numeric-owner",
      "-f",
      archivePath,
      "-C",
      directory,
    ],
  },
  {
    name: "bsdtar",
    program: "bsdtar",
    args: ({ archivePath }, directory) => [
      "-x",
      "-p",
      "--same-owner",
      "--numeric-owner",
      "-f",
      archivePath,
      "-C",
      directory,
    ],
  },
  {
    name: "umoci raw unpack",
    program: "umoci",
    args: ({ layoutPath }, directory) => [
      "raw",
      "unpack",
      "--image",
      `${layoutPath}:latest`,
      join(directory, "rootfs"),
    ],
  },
];

/**
 * Compares how long the unpacking of a layer takes, interleaved. What was written before is on the disk when a measurement
 * begins; what a contestant writes need not be when it ends.
 *
 * @returns the measurements, and why a peer is not among them.
 */
export async function compareUnpacking(options: {
  rounds: number;
  isQuick: boolean;
  only: string;
}): Promise<{ entries: UnpackEntry[]; absent: string[] }> {
  const directory = mkdtempSync(join(tmpdir(), "runlet-bench-unpack-"));
  const { contestants, absent } = findContestants(options.only);
  const entries: UnpackEntry[] = [];
  try {
    for (const shape of options.isQuick ? quickShapes : shapes) {
      const layer = await makeLayer(directory, shape);
      const times = new Map<string, number[]>(contestants.map(({ name }) => [name, []]));
      // The first round brings the archive into the page cache; it is not counted.
      for (let round = -1; round < options.rounds; round++) {
        for (const contestant of contestants) {
          const elapsedMs = await measure(contestant, layer, join(directory, "target"));
          if (round >= 0) times.get(contestant.name)?.push(elapsedMs);
        }
      }
      for (const [contestant, samples] of times) {
        entries.push({
          contestant,
          layer: shape.title,
          medianMs: median(samples),
          minimumMs: Math.min(...samples),
          samples: samples.length,
        });
      }
      rmSync(layer.layoutPath, { recursive: true });
    }
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
  return { entries, absent };
}

async function measure(contestant: Contestant, layer: BenchLayer, target: string): Promise<number> {
  mkdirSync(target);
  try {
    spawnSync("sync");
    const begin = process.hrtime.bigint();
    await contestant.unpack(layer, target);
    return Number(process.hrtime.bigint() - begin) / 1e6;
  } finally {
    rmSync(target, { recursive: true });
  }
}

function findContestants(only: string): { contestants: Contestant[]; absent: string[] } {
  const absent: string[] = [];
  const contestants: Contestant[] = [
    {
      name: "runlet, in process",
      unpack: async ({ archivePath }, directory) => {
        await unpackArchive({ rootHostPath: directory, source: archivePath, whiteouts: "apply", devices: "create" });
      },
    },
  ];
  for (const { name, program, args } of peers) {
    if (spawnSync(program, ["--version"]).status !== 0) {
      absent.push(`${name}: there is no ${program}`);
      continue;
    }
    contestants.push({
      name,
      unpack: (layer, directory) => {
        const { status, stderr } = spawnSync(program, args(layer, directory), { encoding: "utf8" });
        if (status !== 0) throw new Error(`${name}: ${stderr}`);
      },
    });
  }
  return { contestants: contestants.filter(({ name }) => name.includes(only)), absent };
}

/** The measurements as a table for a person. */
export function formatUnpacking(entries: readonly UnpackEntry[]): string {
  const lines: string[] = [];
  for (const layer of new Set(entries.map((entry) => entry.layer))) {
    const rows = entries.filter((entry) => entry.layer === layer);
    const reference = rows.find(({ contestant }) => contestant === "GNU tar")?.medianMs;
    lines.push("", `unpack a layer: ${layer}`, row("", "median", "minimum", "/ GNU tar"));
    for (const { contestant, medianMs, minimumMs } of rows) {
      const ratio = reference === undefined ? "" : (medianMs / reference).toFixed(2);
      lines.push(row(contestant, `${medianMs.toFixed(0)} ms`, `${minimumMs.toFixed(0)} ms`, ratio));
    }
  }
  return lines.join("\n").trimStart();
}

function row(name: string, ...cells: string[]): string {
  return `  ${name.padEnd(34)}${cells.map((cell) => cell.padStart(13)).join("")}`.trimEnd();
}
