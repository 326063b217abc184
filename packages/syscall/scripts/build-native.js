// Compiles the addon and the init helper with `cc` into prebuilds/linux-ARCH/, where node-gyp-build finds them.
// `--arch arm64` cross-compiles with aarch64-linux-gnu-gcc. binding.gyp does the same for those who build from npm.
import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, renameSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const includeDir = createRequire(import.meta.url)("node-api-headers").include_dir;
const archIndex = process.argv.indexOf("--arch");
const arch = archIndex < 0 ? process.arch : process.argv[archIndex + 1];
const compilers = { x64: "x86_64-linux-gnu-gcc", arm64: "aarch64-linux-gnu-gcc" };
if (process.platform !== "linux") {
  process.stderr.write("runlet: the native part is for Linux; only the pure packages work here\n");
  process.exit(0);
}
if (!(arch in compilers)) {
  process.stderr.write(`runlet: no support for ${arch}: x64 and arm64 only\n`);
  process.exit(1);
}
const compiler = arch === process.arch ? "cc" : compilers[arch];
const outDir = join(root, "prebuilds", `linux-${arch}`);
mkdirSync(outDir, { recursive: true });

const sources = (directory) =>
  readdirSync(join(root, "native", directory))
    .filter((name) => name.endsWith(".c"))
    .sort()
    .map((name) => join(root, "native", directory, name));

const warnings = ["-std=gnu11", "-Wall", "-Wextra", "-Werror"];
const hardening = ["-fstack-protector-strong", "-Wl,-z,relro,-z,now", "-Wl,-z,noexecstack"];

function compile(output, args) {
  const target = join(outDir, output);
  const temporary = `${target}.${process.pid}`;
  execFileSync(compiler, [...args, "-o", temporary], { stdio: "inherit" });
  renameSync(temporary, target);
  process.stdout.write(`${target} ${statSync(target).size} bytes\n`);
}

compile("@runlet+syscall.node", [
  ...warnings,
  ...hardening,
  "-O2",
  "-fPIC",
  "-shared",
  "-fvisibility=hidden",
  "-s",
  "-I",
  includeDir,
  ...sources("addon"),
  "-lpthread",
]);
if (sources("init").length > 0) {
  compile("runlet-init", [
    ...warnings,
    "-O2",
    "-static",
    "-nostdlib",
    "-ffreestanding",
    "-fno-stack-protector",
    "-fno-asynchronous-unwind-tables",
    "-fno-builtin",
    "-fno-pie",
    "-no-pie",
    "-Wl,-z,noexecstack",
    "-Wl,--build-id=none",
    "-s",
    ...sources("init"),
  ]);
}
