// Builds an executable of QuickJS, the addon and a program: the program is bundled, compiled to bytecode and linked in.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "rolldown";
import { correct } from "./quickjs-corrections.js";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const require = createRequire(import.meta.url);
const quickjs = join(dirname(require.resolve("qjsc/package.json")), "deps", "quickjs_2021_03_27");
const syscall = dirname(require.resolve("@runlet/syscall/package.json"));
const buildDir = join(root, "build");

/** What of QuickJS is linked in; the rest of its sources are its own programs. */
const quickjsSources = ["quickjs", "libregexp", "libunicode", "cutils", "libbf"];
const quickjsFlags = ["-O2", "-D_GNU_SOURCE", '-DCONFIG_VERSION="2021-03-27"', "-DCONFIG_BIGNUM", "-fwrapv", "-w"];
const ownFlags = ["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-fstack-protector-strong"];
const linkFlags = ["-s", "-Wl,-z,relro,-z,now", "-Wl,-z,noexecstack", "-Wl,--gc-sections"];

/** The modules of Node that the program finds in this executable, by the files of `src/modules/` that hold them. */
const nodeModules = new Set(
  readdirSync(join(root, "src", "modules"))
    .filter((name) => name.endsWith(".ts") && !name.endsWith(".test.ts"))
    .map((name) => name.slice(0, -".ts".length)),
);

const compilers = { x64: "x86_64-linux-gnu-gcc", arm64: "aarch64-linux-gnu-gcc" };
const compilerOf = (arch) => (arch === process.arch ? "cc" : compilers[arch]);

function run(program, args) {
  execFileSync(program, args, { stdio: ["ignore", "inherit", "inherit"] });
}

/** Compiles a file unless an object of the same sources and flags is there. */
function compileObject(cc, source, { flags, headers }) {
  const hash = createHash("sha256").update([cc, ...flags].join("\0"));
  for (const file of [source, ...headers]) hash.update(readFileSync(file));
  const target = join(buildDir, `${basename(source, ".c")}-${hash.digest("hex").slice(0, 16)}.o`);
  if (existsSync(target)) return target;
  mkdirSync(buildDir, { recursive: true });
  const temporary = `${target}.${process.pid}`;
  run(cc, [...flags, "-c", source, "-o", temporary]);
  renameSync(temporary, target);
  return target;
}

const filesIn = (directory, extension) =>
  readdirSync(directory)
    .filter((name) => name.endsWith(extension))
    .sort()
    .map((name) => join(directory, name));

function quickjsObjects(cc) {
  const settings = { flags: [...quickjsFlags, "-I", quickjs], headers: filesIn(quickjs, ".h") };
  return quickjsSources.map((name) =>
    compileObject(cc, correct(join(quickjs, `${name}.c`), join(buildDir, "quickjs")), settings),
  );
}

function ownObjects(cc, flags) {
  const native = join(root, "native");
  const addon = join(syscall, "native", "addon");
  const includes = [quickjs, require("node-api-headers").include_dir, addon, native].flatMap((path) => [
    "-isystem",
    path,
  ]);
  const headers = [...filesIn(native, ".h"), ...filesIn(addon, ".h")];
  // The addon waits for descriptors in the loops of other runtimes.
  const sources = [
    ...filesIn(native, ".c"),
    ...filesIn(addon, ".c").filter((path) => !basename(path).startsWith("watch")),
  ];
  const settings = { flags: [...ownFlags, ...flags, ...includes], headers };
  return sources.filter((path) => basename(path) !== "compile.c").map((path) => compileObject(cc, path, settings));
}

/** The program that makes bytecode, on this machine for every 64-bit one. */
function buildCompiler() {
  const target = join(buildDir, "compile");
  const source = join(root, "native", "compile.c");
  const temporary = `${target}.${process.pid}`;
  run("cc", [...ownFlags, "-isystem", quickjs, source, ...quickjsObjects("cc"), "-o", temporary, "-lm", "-lpthread"]);
  renameSync(temporary, target);
  return target;
}

const programId = "runlet:program";

/** The program's first module: what the engine lacks, then the entry. */
function program(entry) {
  const globals = join(root, "src", "globals", "index.ts");
  return {
    name: "program",
    resolveId(source) {
      if (source === programId) return { id: programId, moduleSideEffects: true };
      return source === globals || source === entry ? { id: source, moduleSideEffects: true } : null;
    },
    load: (id) =>
      id === programId ? [globals, entry].map((path) => `import ${JSON.stringify(path)};`).join("\n") : null,
  };
}

/** What replaces a module of the program in this executable. */
function replacements() {
  const binding = join(syscall, "src", "binding.ts");
  return {
    name: "engine",
    async resolveId(source, importer, options) {
      if (source === "runlet:system") return { id: source, external: true };
      if (source.startsWith("node:")) {
        const name = source.slice("node:".length).replace("/", "-");
        return join(root, "src", "modules", `${nodeModules.has(name) ? name : "absent"}.ts`);
      }
      const resolved = await this.resolve(source, importer, { ...options, skipSelf: true });
      return resolved?.id === binding ? join(root, "src", "binding.ts") : resolved;
    },
  };
}

async function bundle(entry, define, outDir, plugins) {
  const { output } = await build({
    input: { program: programId },
    platform: "neutral",
    resolve: { conditionNames: ["@runlet/source", "import", "default"] },
    transform: { target: "es2022", define },
    plugins: [program(entry), ...plugins, replacements()],
    shimMissingExports: true,
    output: { dir: outDir, format: "esm", minify: true, chunkFileNames: "[name]-[hash].js" },
    logLevel: "warn",
    // test/library.test.ts tells what is missing that is used.
    onLog: (level, log, handle) => (log.code === "SHIMMED_EXPORT" ? undefined : handle(level, log)),
  });
  return output.filter(({ type }) => type === "chunk").map(({ fileName }) => fileName);
}

/** The table of the modules' bytecode, the program's first one first. */
function writeTable(directory, names) {
  const assembly = names.flatMap((name, index) => [
    `module_${index}: .incbin ${JSON.stringify(join(directory, "bytecode", name))}`,
    `module_${index}_end: .byte 0`,
    `name_${index}: .asciz ${JSON.stringify(name)}`,
  ]);
  const entries = names.map((_, index) => `.quad name_${index}, module_${index}, module_${index}_end`);
  const path = join(directory, "program.S");
  writeFileSync(
    path,
    [
      ".section .rodata",
      ...assembly,
      ".section .data.rel.ro",
      ".balign 8",
      ".globl program_modules",
      "program_modules:",
      ...entries,
      ".quad 0, 0, 0",
      '.section .note.GNU-stack,"",@progbits',
      "",
    ].join("\n"),
  );
  return path;
}

/** What QuickJS's licence wants beside every copy of it. */
export function engineNotice() {
  return `QuickJS 2021-03-27 (MIT)\n\n${readFileSync(join(quickjs, "LICENSE"), "utf8").trim()}\n`;
}

/**
 * Builds an executable.
 *
 * @param {object} request
 * @param {string} request.entry - the TypeScript file that the program begins with.
 * @param {string} request.target - the executable's path.
 * @param {Record<string, string>} [request.define] - names of constants, and their values as source.
 * @param {object[]} [request.plugins] - rolldown's, before this executable's own.
 * @param {string} [request.arch] - `x64` or `arm64`; another than this machine's wants a compiler for it.
 * @param {string[]} [request.flags] - more of the compiler's, for the C sources of this project.
 */
export async function buildEngine({ entry, target, define = {}, plugins = [], arch = process.arch, flags = [] }) {
  const compiler = buildCompiler();
  const directory = mkdtempSync(join(buildDir, "program-"));
  try {
    const names = await bundle(entry, define, directory, plugins);
    mkdirSync(join(directory, "bytecode"));
    run(compiler, [join(directory, "bytecode"), ...names.map((name) => `${name}=${join(directory, name)}`)]);
    const cc = compilerOf(arch);
    const objects = [writeTable(directory, names), ...ownObjects(cc, flags), ...quickjsObjects(cc)];
    const temporary = `${target}.${process.pid}`;
    run(cc, [...linkFlags, ...flags, ...objects, "-o", temporary, "-lm", "-lpthread", "-ldl"]);
    renameSync(temporary, target);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
