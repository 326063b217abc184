import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isRunletError } from "@runlet/errors";
import fc from "fast-check";
import { expect, test } from "vitest";
import { buildArchive, directory, file, pieces, type TestEntry } from "../test/archive.ts";
import { put } from "../test/temporary.ts";
import { unpackArchive } from "./unpack.ts";

const names = ["a", "b", ".wh.a", ".wh.b", ".wh..wh..opq"];
const parents = ["", "d/", "d/e/", "a/"];
const entry: fc.Arbitrary<TestEntry> = fc
  .tuple(fc.constantFrom(...parents), fc.constantFrom(...names), fc.nat(9), fc.constantFrom("file", "directory"))
  .map(([parent, name, content, type]) =>
    type === "directory" && !name.startsWith(".wh.") ? directory(parent + name) : file(parent + name, String(content)),
  );

/** Every second path in another spelling, so that none begins as the one before does. */
const spellApart = (entries: readonly TestEntry[]): TestEntry[] =>
  entries.map((one, index) => (index % 2 === 0 ? one : { ...one, path: `./${one.path}` }));

async function unpackLayer(root: string, options: { entries: readonly TestEntry[]; whiteouts: "apply" | "overlay" }) {
  mkdirSync(root);
  if (options.whiteouts === "apply") for (const path of ["a", "b", "d/a", "d/b", "d/e/a"]) put(root, path, "below");
  try {
    const { impliedDirectories, whiteouts } = await unpackArchive({
      rootHostPath: root,
      source: pieces(buildArchive(...options.entries)),
      whiteouts: options.whiteouts,
      opaqueXattr: "user.overlay.opaque",
    });
    return { tree: describeTree(root), impliedDirectories, whiteouts };
  } catch (error) {
    if (!isRunletError(error)) throw error;
    return error.code;
  }
}

function describeTree(root: string): string[] {
  const read = (...command: [string, ...string[]]) =>
    execFileSync(command[0], command.slice(1), { cwd: root, encoding: "utf8" }).trim().split("\n").sort();
  const files = read("find", ".", "-printf", "%p %y %m\\n");
  const contents = read("find", ".", "-type", "f", "-exec", "sha1sum", "{}", "+");
  return [...files, ...contents, ...read("getfattr", "-R", "-h", "-d", "-m", "user.overlay", ".")];
}

test.each(["apply", "overlay"] as const)(
  "a layer is the same however its paths are spelt (%s)",
  async (whiteouts) => {
    await fc.assert(
      fc.asyncProperty(fc.array(entry, { minLength: 2, maxLength: 12 }), async (entries) => {
        const outer = mkdtempSync(join(tmpdir(), "runlet-rootfs-"));
        try {
          const alike = await unpackLayer(join(outer, "alike"), { entries, whiteouts });
          expect(alike).toEqual(await unpackLayer(join(outer, "apart"), { entries: spellApart(entries), whiteouts }));
        } finally {
          rmSync(outer, { recursive: true });
        }
      }),
      { numRuns: 60 },
    );
  },
  120_000,
);

test("a whiteout spares what the layer itself has beside it", async () => {
  const outer = mkdtempSync(join(tmpdir(), "runlet-rootfs-"));
  try {
    const root = join(outer, "root");
    const entries = [file("d/x"), file("d/y"), file("d/b"), file("d/.wh.b"), file("d/.wh.a"), file("d/e/z")];
    const opaque = [file("d/e/y"), file("d/e/.wh..wh..opq")];
    const layer = await unpackLayer(root, { entries: [...entries, ...opaque], whiteouts: "apply" });
    expect(layer).toMatchObject({ tree: expect.arrayContaining([expect.stringMatching(/^\.\/d\/b f/)]) });
    const left = execFileSync("find", ["d", "-type", "f"], { cwd: root, encoding: "utf8" });
    expect(left.trim().split("\n").sort()).toEqual(["d/b", "d/e/y", "d/e/z", "d/x", "d/y"]);
  } finally {
    rmSync(outer, { recursive: true });
  }
});
