import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isRunletError } from "@runlet/errors";
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  buildArchive,
  directory,
  file,
  hardLink,
  pieces,
  symbolicLink,
  type TestEntry,
  xattr,
} from "../test/archive.ts";
import { unpackArchive } from "./unpack.ts";

const path = fc.array(fc.constantFrom("a", "b", "c"), { minLength: 1, maxLength: 3 }).map((names) => names.join("/"));
const target = fc.oneof(path, fc.constantFrom(".", "..", "/", "/a", "../b", "../../etc"));
const entry: fc.Arbitrary<TestEntry> = fc.oneof(
  { weight: 4, arbitrary: fc.tuple(path, fc.nat(99)).map(([at, content]) => file(at, String(content))) },
  { weight: 1, arbitrary: path.map((at) => file(at, "with attributes", { xattrs: [xattr("user.a", "b")] })) },
  { weight: 2, arbitrary: fc.tuple(path, fc.constantFrom(0o755, 0o700)).map(([at, mode]) => directory(at, { mode })) },
  { weight: 2, arbitrary: fc.tuple(path, target).map(([at, to]) => symbolicLink(at, to)) },
  { weight: 1, arbitrary: fc.tuple(path, path).map(([at, to]) => hardLink(at, to)) },
);

async function unpackInto(root: string, entries: readonly TestEntry[]): Promise<boolean> {
  try {
    await unpackArchive({ rootHostPath: root, source: pieces(buildArchive(...entries), 700) });
    return true;
  } catch (error) {
    if (!isRunletError(error)) throw error;
    return false;
  }
}

function describeTree(root: string): string {
  const facts = execFileSync("find", [".", "-printf", "%p %y %m %n %l\\n"], { cwd: root, encoding: "utf8" });
  const contents = execFileSync("find", [".", "-type", "f", "-exec", "sha1sum", "{}", "+"], {
    cwd: root,
    encoding: "utf8",
  });
  return [facts, contents].map((text) => text.split("\n").sort().join("\n")).join("\n---\n");
}

test("an archive gives what its entries give one after the other, and nothing outside", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(entry, { minLength: 1, maxLength: 12 }), async (entries) => {
      const outer = mkdtempSync(join(tmpdir(), "runlet-rootfs-"));
      try {
        for (const name of ["together", "apart"]) mkdirSync(join(outer, name));
        const isDone = await unpackInto(join(outer, "together"), entries);
        let isEachDone = true;
        for (const single of entries) isEachDone = isEachDone && (await unpackInto(join(outer, "apart"), [single]));
        expect(isDone).toBe(isEachDone);
        if (isDone) expect(describeTree(join(outer, "together"))).toBe(describeTree(join(outer, "apart")));
        expect(execFileSync("ls", ["-A", outer], { encoding: "utf8" })).toBe("apart\ntogether\n");
      } finally {
        rmSync(outer, { recursive: true });
      }
    }),
    { numRuns: 150 },
  );
}, 60_000);
