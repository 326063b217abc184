import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { buildEngine } from "../scripts/build-engine.js";

const here = dirname(fileURLToPath(import.meta.url));
const subjects = ["abort", "buffer", "child", "file", "host", "language", "path", "text", "timer"];

/**
 * With SANITIZE the host's own C sources are checked as they run. QuickJS ends without giving its memory back, and the
 * sanitizer needs the addresses of an image.
 */
const sanitizers =
  process.env.SANITIZE === undefined ? [] : ["-g", "-fsanitize=address,undefined", "-fno-sanitize-recover"];
const sanitizerOptions = { ASAN_OPTIONS: "detect_leaks=0" };

let scratch: string;
let enginePath: string;

beforeAll(async () => {
  scratch = mkdtempSync(join(tmpdir(), "runlet-engine-"));
  enginePath = join(scratch, "program");
  const hasImage = sanitizers.length === 0;
  await buildEngine({ entry: join(here, "program.js"), target: enginePath, flags: sanitizers, hasImage });
});

afterAll(() => {
  rmSync(scratch, { recursive: true });
});

/** What a program shows of a subject. Both programs have the same directory, one after the other. */
function run(file: string, args: readonly string[], subject: string) {
  const directory = join(scratch, "directory");
  mkdirSync(directory, { mode: 0o755 });
  try {
    const { status, signal, stdout, stderr } = spawnSync(file, [...args, subject, directory], {
      encoding: "utf8",
      maxBuffer: 64 * 1024 * 1024,
      env: { PATH: process.env.PATH, SHOWN: "é", EMPTY: "", ...(sanitizers.length > 0 ? sanitizerOptions : {}) },
    });
    return { status, signal, stderr, lines: stdout.split("\n") };
  } finally {
    rmSync(directory, { recursive: true });
  }
}

describe("the engine shows a program what Node shows it", () => {
  test.each(subjects)("of %s", (subject) => {
    const expected = run(process.execPath, ["--no-warnings", join(here, "program.js")], subject);
    expect(expected).toMatchObject({ signal: null, stderr: "" });
    expect(expected.lines.length).toBeGreaterThan(3);
    expect(run(enginePath, [], subject)).toEqual(expected);
  });
});

test("the signals of writing stay ignored when nobody listens to them any more", () => {
  expect(run(enginePath, [], "ignored")).toMatchObject({ status: 0, lines: ['ignored: "4096n" "16777216n"', ""] });
});

describe("an image", () => {
  const build = (name: string) =>
    buildEngine({ entry: join(here, "program.js"), loaded: [join(here, "images", name)], target: join(scratch, name) });

  test("has nothing of the machine that it is made on", async () => {
    await expect(build("process-id.js")).rejects.toThrow(
      /host_process_id is called when a module is imported: an image must not have its result/,
    );
  });

  test("has nothing that a module would get over not being told", async () => {
    await expect(build("caught.js")).rejects.toThrow(/host_environment is called when a module is imported/);
  });

  test.each(["time.js", "time-zone.js"])("has nothing of the moment and the place of its making: %s", async (name) => {
    await expect(build(name)).rejects.toThrow(/the image is another in each process/);
  });

  test("is made without the entry, which other modules therefore cannot import from", async () => {
    const entry = join(here, "images", "shared-entry.js");
    const target = join(scratch, "shared");
    await expect(buildEngine({ entry, target })).rejects.toThrow(/imports something of the entry's .*shared\.js/);
    await buildEngine({ entry, loaded: [join(here, "images", "shared.js")], target });
    expect(run(target, [], "")).toMatchObject({ status: 0, lines: ["1 2", ""] });
  });

  test("misses a module of Node's that is not there when it is imported", () => {
    expect(run(enginePath, [], "missing")).toMatchObject({
      status: 0,
      lines: [expect.stringContaining("node:zlib"), ""],
    });
  });

  test("does not decide what Math.random() returns", () => {
    const lines = [1, 2, 3].map(() => run(enginePath, [], "chance").lines[0]);
    for (const line of lines) expect(line).toMatch(/^chance: (0\.\d+|\d\.\d+e-\d+)$/);
    expect(new Set(lines).size).toBe(3);
  });
});
