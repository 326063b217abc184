import { chmodSync, existsSync, lstatSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { unpackArchive } from "@runlet/rootfs";
import fc from "fast-check";
import { expect, test } from "vitest";
import { temporaryDirectory } from "../../test/temporary.ts";
import { copyTree, describeTree, type Files, makeFiles, setTimes } from "../../test/tree.ts";
import { listChanges } from "./changes.ts";
import { writeLayer } from "./layer.ts";
import type { Tree } from "./merged-directory.ts";

const name = fc.constantFrom("a", "b", "c", ".wh", "z z");
const path = fc.array(name, { minLength: 1, maxLength: 3 }).map((names) => names.join("/"));
const content = fc.oneof(fc.nat(3).map(String), fc.constantFrom("-> a", "-> ../b", "-> /proc/nowhere"));

/** Something that a container does. Paths that do not fit are skipped. */
const action = fc.oneof(
  fc.record({ kind: fc.constant("write" as const), path, text: fc.nat(3).map(String) }),
  fc.record({ kind: fc.constant("remove" as const), path }),
  fc.record({ kind: fc.constant("link" as const), path, to: path }),
  fc.record({ kind: fc.constant("rename" as const), path, to: path }),
  fc.record({ kind: fc.constant("mode" as const), path, mode: fc.constantFrom(0o600, 0o755, 0o4711) }),
  fc.record({ kind: fc.constant("directory" as const), path }),
);
type Action = typeof action extends fc.Arbitrary<infer Value> ? Value : never;

/** An ordinary user could not look into a directory that its owner may not search. */
function changeMode(target: string, mode: number): void {
  const status = lstatSync(target);
  if (status.isSymbolicLink()) return;
  chmodSync(target, status.isDirectory() && process.geteuid?.() !== 0 ? mode | 0o100 : mode);
}

function perform(root: string, step: Action): void {
  const target = join(root, step.path);
  try {
    if (step.kind === "remove") rmSync(target, { recursive: true });
    if (step.kind === "directory") mkdirSync(target, { recursive: true });
    if (step.kind === "mode") changeMode(target, step.mode);
    if (step.kind === "rename") renameSync(target, join(root, step.to));
    if (step.kind === "write" && !existsSync(target)) {
      mkdirSync(dirname(target), { recursive: true });
      // Never through a link that leads out of the tree.
      writeFileSync(target, step.text, { flag: "wx" });
    }
    if (step.kind === "link") makeFiles(root, { [step.to]: `= ${step.path}` });
  } catch (error) {
    if (!(error instanceof Error && "code" in error)) throw error;
  }
}

function plain(layer: string): Tree {
  return { layers: [layer], form: "plain" };
}

/** A tree of files; of a name that would be file and directory, the first counts. */
const tree = fc.array(fc.tuple(path, content), { maxLength: 8 }).map((entries) => {
  const files: Record<string, string> = {};
  for (const [at, text] of entries) {
    const clashes = Object.keys(files).some(
      (other) => `${other}/`.startsWith(`${at}/`) || `${at}/`.startsWith(`${other}/`),
    );
    if (!clashes) files[at] = text;
  }
  return files as Files;
});

test("a tree and the layer of its changes make the changed tree", async () => {
  await fc.assert(
    fc.asyncProperty(tree, fc.array(action, { maxLength: 8 }), async (files, actions) => {
      const from = makeFiles(temporaryDirectory(), files);
      const to = copyTree(from, join(temporaryDirectory(), "to"));
      for (const step of actions) perform(to, step);
      if (actions.length % 2 === 0) setTimes(to, 1_000_000);
      const layer = writeLayer({ from: plain(from), to: plain(to) });
      const result = copyTree(from, join(temporaryDirectory(), "result"));
      await unpackArchive({ rootHostPath: result, source: layer, whiteouts: "apply" });
      expect(describeTree(result)).toEqual(describeTree(to));
      expect(listChanges({ from: plain(result), to: plain(to) })).toEqual([]);
    }),
    { numRuns: 40 },
  );
}, 60_000);

test("it lies over the tree as a directory of its own, too", async () => {
  await fc.assert(
    fc.asyncProperty(tree, fc.array(action, { maxLength: 8 }), async (files, actions) => {
      const from = makeFiles(temporaryDirectory(), files);
      const to = copyTree(from, join(temporaryDirectory(), "to"));
      for (const step of actions) perform(to, step);
      setTimes(to, 1_000_000);
      const upper = copyTree(temporaryDirectory(), join(temporaryDirectory(), "upper"));
      setTimes(upper, 1_000_000);
      const source = writeLayer({ from: plain(from), to: plain(to) });
      await unpackArchive({ rootHostPath: upper, source, whiteouts: "overlay", opaqueXattr: "user.overlay.opaque" });
      setTimes(upper, 1_000_000);
      chmodSync(upper, lstatSync(to).mode);
      const merged: Tree = { layers: [from, upper], form: "overlay" };
      const changes = listChanges({ from: plain(to), to: merged });
      expect(changes.map(({ kind, containerPath }) => `${kind} ${containerPath}`)).toEqual([]);
    }),
    { numRuns: 40 },
  );
}, 60_000);
