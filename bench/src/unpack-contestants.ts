import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { ImageStore, LayoutSource } from "@runlet/image";
import { unpackArchive } from "@runlet/rootfs";
import type { BenchLayer } from "./unpack-layers.ts";

/** Somebody who unpacks layers. */
export interface UnpackContestant {
  readonly name: string;
  /** Whether a first time, which is not counted, shall compile its code. */
  readonly warmsUp: boolean;
  /** @param directory - an empty directory, in which it may make what it likes. */
  unpack(layer: BenchLayer, directory: string): Promise<void> | void;
}

interface Command {
  readonly name: string;
  readonly program: string;
  args(layer: BenchLayer, directory: string): string[];
}

const standalone = resolve(import.meta.dirname, "../../dist/runlet");

/** All called to keep owners, modes and times as the archive has them. */
const extract = ({ archivePath }: BenchLayer, directory: string) =>
  ["-x", "-p", "--same-owner", "--numeric-owner", "-f", archivePath, "-C", directory] as string[];

/** Where tools of the containers/storage library keep images: nowhere but here. */
const storage = (directory: string) => ({ root: join(directory, "root"), runroot: join(directory, "run") });

const commands: readonly Command[] = [
  {
    name: "runlet bundle",
    program: standalone,
    args: ({ archivePath }, directory) => [
      "bundle",
      "--from",
      archivePath,
      "--args",
      "/bin/true",
      join(directory, "bundle"),
    ],
  },
  { name: "GNU tar", program: "tar", args: extract },
  { name: "bsdtar", program: "bsdtar", args: extract },
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
  {
    name: "skopeo copy to a store",
    program: "skopeo",
    args: ({ layoutPath }, directory) => {
      const { root, runroot } = storage(directory);
      const target = `containers-storage:[overlay@${root}+${runroot}]bench:latest`;
      return ["--insecure-policy", "copy", "--quiet", `oci:${layoutPath}:latest`, target];
    },
  },
  {
    name: "podman pull",
    program: "podman",
    args: ({ layoutPath }, directory) => {
      const { root, runroot } = storage(directory);
      const place = ["--root", root, "--runroot", runroot, "--tmpdir", join(directory, "libpod")];
      const quiet = ["--storage-driver", "overlay", "--cgroup-manager", "cgroupfs", "--events-backend", "none"];
      // It makes a name of the path, which may hold small letters only; it is called where the layout lies.
      return [...place, ...quiet, "pull", "--quiet", `oci:${basename(layoutPath)}:latest`];
    },
  },
];

const inProcess: readonly UnpackContestant[] = [
  {
    name: "runlet, in process",
    warmsUp: true,
    unpack: async ({ archivePath }, directory) => {
      await unpackArchive({ rootHostPath: directory, source: archivePath, whiteouts: "apply", devices: "create" });
    },
  },
  {
    name: "runlet, pull to a store, on the disk",
    // Its code is the one before, most of it.
    warmsUp: false,
    unpack: async ({ layoutPath }, directory) => {
      const store = await ImageStore.open({ hostPath: join(directory, "store") });
      await using source = await LayoutSource.open(layoutPath);
      await store.unpack(await store.pull({ source, name: "bench" }));
    },
  },
];

/**
 * Those who are here, and who is not with the reason.
 *
 * @param only - words, separated by commas, of which a name must have one; empty for all.
 */
export function findUnpackContestants(only: string): { contestants: Set<UnpackContestant>; absent: string[] } {
  const isWanted = ({ name }: { readonly name: string }) => only.split(",").some((word) => name.includes(word));
  const contestants = new Set(inProcess.filter(isWanted));
  const absent: string[] = [];
  for (const command of commands.filter(isWanted)) {
    if (spawnSync(command.program, ["--version"]).status === 0) contestants.add(asContestant(command));
    else absent.push(`${command.name}: there is no ${command.program}`);
  }
  return { contestants, absent };
}

function asContestant({ name, program, args }: Command): UnpackContestant {
  return {
    name,
    warmsUp: false,
    unpack: (layer, directory) => {
      // Some put a whole layer there first.
      const TMPDIR = join(directory, "tmp");
      mkdirSync(TMPDIR);
      const { status, stderr } = spawnSync(program, args(layer, directory), {
        cwd: dirname(layer.layoutPath),
        env: { ...process.env, TMPDIR },
        encoding: "utf8",
      });
      if (status !== 0) throw new Error(stderr.trim());
    },
  };
}

/**
 * Lays empty file systems over what the tools of containers/storage keep outside of their stores, in the mount namespace of the
 * caller, who is alone there.
 *
 * @returns what undoes it.
 */
export function hideContainerState(): () => void {
  const hidden = ["/dev/shm", "/var/lib/containers"].map((path) => {
    const isNew = !existsSync(path);
    if (isNew) mkdirSync(path);
    spawnSync("mount", ["-t", "tmpfs", "tmpfs", path]);
    return { path, isNew };
  });
  return () => {
    for (const { path, isNew } of hidden) {
      spawnSync("umount", [path]);
      if (isNew) spawnSync("rmdir", [path]);
    }
  };
}
