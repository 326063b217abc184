import { existsSync } from "node:fs";
import { dirname, join } from "node:path";

/** Name of the addon beside an executable that Bun has made. */
const besideExecutable = "runlet.node";
/** Name of the init helper, beside the addon wherever that is. */
const helperName = "runlet-init";

interface Loaded {
  readonly binding: Binding;
  /** Where the init helper lies. */
  readonly helperHostPath: string;
}

/** The addon's functions as it exports them: numbers >= 0, or -errno. Each file of `src/` types its own part. */
export type Binding = Readonly<Record<string, (...args: never[]) => unknown>>;

let loaded: Loaded | undefined;

/**
 * Loads the addon once. For an executable that Bun has made it lies at a fixed path beside that, and is opened by this
 * path: never by a bundler's `require`, which would extract it to a temporary directory, and never by a variable of the
 * environment. Elsewhere node-gyp-build's directories are looked through, in its order, without its environment.
 */
function load(): Loaded {
  if (loaded !== undefined) return loaded;
  const candidates = isStandalone() ? [join(dirname(process.execPath), besideExecutable)] : packageCandidates();
  const hostPath = candidates.find((candidate) => existsSync(candidate));
  if (hostPath === undefined) {
    throw new Error(
      `the addon of @runlet/syscall is missing: looked for ${candidates.join(", ")}. ` +
        "Reinstall the package with a C compiler at hand, or run its `install` script.",
    );
  }
  const module = { exports: {} as Binding };
  process.dlopen(module, hostPath);
  loaded = { binding: module.exports, helperHostPath: join(dirname(hostPath), helperName) };
  return loaded;
}

/**
 * Whether this is a single-file executable made by Bun. `import.meta.url` does not tell: with `--bytecode` it is the path
 * that the source had when it was built, which on another machine is anybody's.
 */
function isStandalone(): boolean {
  const { Bun } = globalThis as { Bun?: { isStandaloneExecutable?: boolean; main?: string } };
  return Bun?.isStandaloneExecutable ?? Bun?.main?.startsWith("/$bunfs/") ?? false;
}

/** By the package's name, and not by this file's place: the npm command has it in a bundle of another package's. */
function packageCandidates(): string[] {
  const { createRequire } = process.getBuiltinModule("node:module");
  const packageRoot = dirname(createRequire(import.meta.url).resolve("@runlet/syscall/package.json"));
  return [
    join(packageRoot, "build", "Release", "runlet.node"),
    join(packageRoot, "prebuilds", `linux-${process.arch}`, "@runlet+syscall.node"),
  ];
}

/** The addon, typed by the caller. */
export function binding<Part>(): Part {
  return load().binding as Part;
}

/** Host path of the static init helper. */
export function helperHostPath(): string {
  return load().helperHostPath;
}
