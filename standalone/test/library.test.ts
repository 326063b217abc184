import { spawnSync } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const here = dirname(fileURLToPath(import.meta.url));
const root = dirname(dirname(here));

/** Errors where the executable's code does not lead. */
const elsewhere: readonly RegExp[] = [
  // Handed to the other executable: images, archives, bundles, checkpoints.
  /^packages\/(image|tar)\//,
  /^packages\/cli\/src\/(commands\/)?image/,
  /^packages\/rootfs\/src\/(bundle|copy-tree|decompress|directory-metadata|executable-files|file-copy|unpack|whiteout)/,
  // The cache of libraries is read here, and written with a bundle.
  /^packages\/rootfs\/src\/ld-cache\.ts.*'write/,
  // Streams for programs that start containers.
  /^packages\/lifecycle\/src\/(run|stdio)\.ts/,
  // Replaced by src/binding.ts.
  /^packages\/syscall\/src\/binding\.ts/,
  // Of the npm package, which has its version in a file.
  /^packages\/cli\/src\/version\.ts.*('URL'|'url')/,
];

function typeErrors(): string[] {
  const { stdout } = spawnSync(
    join(root, "node_modules", ".bin", "tsc"),
    ["-p", join(here, "types"), "--pretty", "false"],
    {
      encoding: "utf8",
      cwd: root,
    },
  );
  return stdout.split("\n").filter((line) => /^\S.*error TS/.test(line));
}

test("what the command uses of the language and of Node is there, in the types that it is used with", () => {
  const errors = typeErrors();
  expect(errors.filter((line) => !elsewhere.some((pattern) => pattern.test(line)))).toEqual([]);
  // And what is not there would be noticed.
  for (const pattern of elsewhere)
    expect(
      errors.filter((line) => pattern.test(line)),
      String(pattern),
    ).not.toEqual([]);
});
