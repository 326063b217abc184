// Builds the C tests with ASan and UBSan and runs them; with `--fuzz SECONDS` also libFuzzer, which needs clang and its
// runtime (Debian: clang libclang-rt-14-dev).
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const native = join(dirname(dirname(fileURLToPath(import.meta.url))), "native");
const directory = mkdtempSync(join(tmpdir(), "runlet-native-"));
const flags = [
  "-std=gnu11",
  "-Wall",
  "-Wextra",
  "-Werror",
  "-g",
  "-O1",
  "-DRUNLET_HOSTED",
  "-fno-sanitize-recover=all",
];
const init = (...names) => names.map((name) => join(native, "init", `${name}.c`));
const tests = [
  { name: "plan_test", sources: init("plan", "text") },
  { name: "tree_test", sources: init("path", "copy", "text") },
];
let passed = 0;
let failed = 0;

function build(compiler, name, sources, sanitizers) {
  const output = join(directory, name);
  execFileSync(
    compiler,
    [...flags, `-fsanitize=${sanitizers}`, "-o", output, join(native, "test", `${name}.c`), ...sources],
    {
      stdio: "inherit",
    },
  );
  return output;
}

try {
  for (const { name, sources } of tests) {
    const { status, stdout } = spawnSync(build("cc", name, sources, "address,undefined"), {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "inherit"],
    });
    const counts = /(\d+) passed, (\d+) failed/.exec(stdout ?? "");
    passed += Number(counts?.[1] ?? 0);
    failed += Number(counts?.[2] ?? 0) + (status === 0 || counts?.[2] > 0 ? 0 : 1);
    process.stdout.write(`${name}: ${counts?.[0] ?? `status ${status}`}\n`);
  }
  const fuzzIndex = process.argv.indexOf("--fuzz");
  if (fuzzIndex >= 0) {
    const seconds = process.argv[fuzzIndex + 1] ?? "10";
    const fuzzer = build("clang", "plan_fuzz", init("plan", "text"), "fuzzer,address,undefined");
    const corpus = join(directory, "corpus");
    mkdirSync(corpus);
    const { status } = spawnSync(fuzzer, [`-max_total_time=${seconds}`, "-verbosity=0", "-max_len=512", corpus], {
      stdio: "inherit",
    });
    process.stdout.write(`plan_fuzz: ${status === 0 ? `nothing found in ${seconds} s` : "found something"}\n`);
    if (status === 0) passed++;
    else failed++;
  }
} finally {
  rmSync(directory, { recursive: true, force: true });
}
process.stdout.write(`native: ${passed} passed, ${failed} failed\n`);
process.exitCode = failed === 0 ? 0 : 1;
