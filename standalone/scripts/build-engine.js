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

/** What the engine lacks of what the program expects: the first module that runs. */
const globals = join(root, "src", "globals", "index.ts");

/** What replaces a module of the program in this executable. */
function replacements() {
  const binding = join(syscall, "src", "binding.ts");
  return {
    name: "engine",
    async resolveId(source, importer, options) {
      if (source === "runlet:system") return { id: source, external: true };
      if (source.startsWith("node:")) {
        const name = source.slice("node:".length);
        // What is not there is missed when it is imported.
        return nodeModules.has(name) ? join(root, "src", "modules", `${name}.ts`) : { id: source, external: true };
      }
      const resolved = await this.resolve(source, importer, { ...options, skipSelf: true });
      return resolved?.id === binding ? join(root, "src", "binding.ts") : resolved;
    },
  };
}

/**
 * Returns the names of the modules' files: what the engine lacks, the entry, and the others.
 *
 * @throws Error when another file imports the entry's: making an image would run the entry.
 */
async function bundle({ entry, loaded, define, plugins }, outDir) {
  const inputs = [globals, entry, ...loaded];
  const { output } = await build({
    input: inputs,
    platform: "neutral",
    resolve: { conditionNames: ["@runlet/source", "import", "default"] },
    transform: { target: "es2022", define },
    plugins: [...plugins, replacements()],
    shimMissingExports: true,
    output: {
      dir: outDir,
      format: "esm",
      minify: true,
      entryFileNames: "[name]-[hash].js",
      chunkFileNames: "[name]-[hash].js",
    },
    logLevel: "warn",
    // test/library.test.ts tells what is missing that is used.
    onLog: (level, log, handle) => (log.code === "SHIMMED_EXPORT" ? undefined : handle(level, log)),
  });
  const chunks = output.filter(({ type }) => type === "chunk");
  const first = [globals, entry].map((id) => chunks.find((chunk) => chunk.isEntry && chunk.facadeModuleId === id));
  const importer = chunks.find(({ imports }) => imports.includes(first[1].fileName));
  if (importer !== undefined) {
    const names = first[1].moduleIds.map((id) => basename(id)).join(", ");
    throw new Error(`${importer.fileName} imports something of the entry's (${names}): name it in \`loaded\``);
  }
  return [...first, ...chunks.filter((chunk) => !first.includes(chunk))].map(({ fileName }) => fileName);
}

/** As engine.h has them. */
const programKinds = { modules: 1, toBeImage: 2 };

/** The largest pages that a kernel of the architecture may have, in bytes. */
const pageBytes = { x64: 4096, arm64: 65536 };

/** Writes the source of the section that holds the program, which begins and ends where pages do. */
function writeProgram(directory, arch, lines) {
  const path = join(directory, "program.S");
  const align = `.balign ${pageBytes[arch]}`;
  const content = [
    '.section .program,"aw",@progbits',
    align,
    ".globl program, program_end",
    "program:",
    ...lines,
    align,
  ];
  writeFileSync(path, [...content, "program_end:", '.section .note.GNU-stack,"",@progbits', ""].join("\n"));
  return path;
}

function moduleLines(kind, bytecodeDir, names) {
  return [
    `.quad ${kind}`,
    ...names.map((_, index) => {
      const distances = [`name_${index}`, `module_${index}`, `module_${index}_end`].map(
        (symbol) => `${symbol} - program`,
      );
      return `.quad ${distances.join(", ")}`;
    }),
    ".quad 0, 0, 0",
    ...names.flatMap((name, index) => [
      `module_${index}: .incbin ${JSON.stringify(join(bytecodeDir, name))}`,
      `module_${index}_end: .byte 0`,
      `name_${index}: .asciz ${JSON.stringify(name)}`,
    ]),
  ];
}

/**
 * Has an executable make its image, twice, in two time zones: what differs between two processes is not for a third one.
 *
 * @throws Error when it does, or when a module asks for something of the machine as it is imported.
 */
function makeImage(executable, directory) {
  const [path, other] = ["UTC", "UTC-9"].map((zone) => {
    const target = join(directory, `image-${zone}`);
    execFileSync(executable, [target], { env: { TZ: zone }, stdio: ["ignore", "inherit", "pipe"] });
    return target;
  });
  const [bytes, otherBytes] = [path, other].map((target) => readFileSync(target));
  const index = bytes.findIndex((byte, at) => byte !== otherBytes[at]);
  if (index >= 0 || bytes.length !== otherBytes.length)
    throw new Error(
      "the image is another in each process: a module that is imported keeps the time or something like it",
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
 * @param {string[]} [request.loaded] - files with modules that have run before the entry does, as those have that it imports
 *   when it needs them.
 * @param {string} request.target - the executable's path.
 * @param {Record<string, string>} [request.define] - names of constants, and their values as source.
 * @param {object[]} [request.plugins] - rolldown's, before this executable's own.
 * @param {string} [request.arch] - `x64` or `arm64`; another than this machine's wants a compiler for it.
 * @param {string[]} [request.flags] - more of the compiler's, for the C sources of this project.
 * @param {boolean} [request.hasImage] - whether the program starts from an image, or reads its modules. Only an executable
 *   for this machine can make one.
 */
export async function buildEngine({
  entry,
  loaded = [],
  target,
  define = {},
  plugins = [],
  arch = process.arch,
  flags = [],
  hasImage = arch === process.arch,
}) {
  const compiler = buildCompiler();
  const directory = mkdtempSync(join(buildDir, "program-"));
  try {
    const names = await bundle({ entry, loaded, define, plugins }, directory);
    const bytecodeDir = join(directory, "bytecode");
    mkdirSync(bytecodeDir);
    run(compiler, [bytecodeDir, ...names.map((name) => `${name}=${join(directory, name)}`)]);
    const cc = compilerOf(arch);
    const objects = [...ownObjects(cc, flags), ...quickjsObjects(cc)];
    const link = (lines, path) => {
      const source = writeProgram(directory, arch, lines);
      run(cc, [...linkFlags, ...flags, ...objects, source, "-o", path, "-lm", "-lpthread", "-ldl"]);
      return path;
    };
    let lines = moduleLines(hasImage ? programKinds.toBeImage : programKinds.modules, bytecodeDir, names);
    if (hasImage) {
      const image = makeImage(link(lines, join(directory, "program")), directory);
      lines = [`.incbin ${JSON.stringify(image)}`];
    }
    const temporary = `${target}.${process.pid}`;
    renameSync(link(lines, temporary), target);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
