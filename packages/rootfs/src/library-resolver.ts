import { dirname } from "node:path";
import { closeFd, fileTypes, fstat } from "@runlet/syscall";
import { type ElfFile, parseElf } from "./elf.ts";
import { isSameTarget } from "./elf-machine.ts";
import type { OpenInRoot } from "./executable.ts";
import { type CacheEntry, parseLdCache } from "./ld-cache.ts";
import { readFileAt } from "./root-directory.ts";

/** An object that the dynamic linker loads: the executable or a library. */
export interface LoadedObject {
  /** Where it was found. */
  readonly sourcePath: string;
  /** Where it is to lie in the container, so that the dynamic linker finds it by the same rule. */
  readonly containerPath: string;
  readonly elf: ElfFile;
  /** The entry of `ld.so.cache` that led to it. */
  readonly cacheEntry: CacheEntry | undefined;
  /** What made it be loaded; undefined for the executable. */
  readonly loader: LoadedObject | undefined;
}

/** A library that was not found. */
export interface MissingLibrary {
  readonly name: string;
  /** Source path of the object that needs it. */
  readonly neededBy: string;
  /** Directories (and `ld.so.cache`) that were searched, in order. */
  readonly searched: readonly string[];
  /** Files of that name that are for another architecture, or no libraries. */
  readonly passedOver: readonly string[];
}

/** What {@link resolveLibraries} has found. */
export interface Libraries {
  /** Every library, each once, in the order of loading. */
  readonly libraries: readonly LoadedObject[];
  readonly missing: readonly MissingLibrary[];
}

interface SearchDirectory {
  readonly sourceDirectory: string;
  readonly containerDirectory: string;
}

/** Names that musl's dynamic linker provides itself, by what follows `lib` (ldso/dynlink.c). */
const muslOwnName = /^lib(c|pthread|rt|m|dl|util|xnet)\./;
const muslDefaultDirectories = ["/lib", "/usr/local/lib", "/usr/lib"];
const glibcDefaultDirectories = ["/lib64", "/usr/lib64", "/lib", "/usr/lib"];
/** Value of `$PLATFORM` (`AT_PLATFORM`), by `e_machine`. */
const platforms: Readonly<Record<number, string>> = { 3: "i686", 62: "x86_64", 183: "aarch64" };
const maxCacheBytes = 64 << 20;
const maxInterpreterBytes = 16 << 20;

/**
 * Finds every library that an executable needs, as the dynamic linker named by its `PT_INTERP` would: `DT_RPATH` of what
 * loads it, `DT_RUNPATH`, `ld.so.cache`, default directories; `$ORIGIN`, `$LIB` and `$PLATFORM` expanded. The environment is not
 * looked at, nor `/etc/ld.so.preload`, and nothing is executed. Of libraries that exist in variants for processors
 * (`glibc-hwcaps`), the one that runs on all is taken. Libraries that a program loads itself, with dlopen(3), cannot be seen.
 *
 * @param options.open - opens files of the tree that is searched: the host's, or a root filesystem.
 * @param options.sourcePath - the executable in that tree, without links, as `$ORIGIN` is.
 * @param options.containerPath - where it is to lie in the container; libraries found by `$ORIGIN` follow it.
 * @see ld.so(8); musl ldso/dynlink.c
 */
export function resolveLibraries(options: {
  open: OpenInRoot;
  sourcePath: string;
  containerPath: string;
  elf: ElfFile;
}): Libraries {
  const { open, sourcePath, containerPath, elf } = options;
  if (elf.interpreter === undefined) return { libraries: [], missing: [] };
  return new Resolver(open, elf.interpreter).resolve({
    sourcePath,
    containerPath,
    elf,
    cacheEntry: undefined,
    loader: undefined,
  });
}

class Resolver {
  readonly #open: OpenInRoot;
  readonly #isMusl: boolean;
  readonly #defaultDirectories: readonly string[];
  readonly #cache: ReadonlyMap<string, readonly CacheEntry[]>;
  readonly #interpreterSoname: string | undefined;

  constructor(open: OpenInRoot, interpreter: string) {
    this.#open = open;
    this.#isMusl = /\/ld-musl-[^/]+$/.test(interpreter);
    const linker = this.#parse(interpreter);
    this.#interpreterSoname = typeof linker === "object" ? linker.soname : undefined;
    if (this.#isMusl) {
      this.#defaultDirectories = this.#readMuslPath(interpreter);
      this.#cache = new Map();
    } else {
      this.#defaultDirectories = this.#readDefaultDirectories(interpreter);
      this.#cache = this.#readCache();
    }
  }

  resolve(executable: LoadedObject): Libraries {
    const loaded = new Map<string, LoadedObject | undefined>();
    if (this.#interpreterSoname !== undefined) loaded.set(this.#interpreterSoname, undefined);
    const libraries: LoadedObject[] = [];
    const missing: MissingLibrary[] = [];
    // The dynamic linker loads breadth first.
    for (let queue = [executable]; queue.length > 0; ) {
      const next: LoadedObject[] = [];
      for (const object of queue) {
        for (const rawName of object.elf.needed) {
          if (loaded.has(rawName) || (this.#isMusl && muslOwnName.test(rawName))) continue;
          const found = this.#find(rawName, object, executable);
          loaded.set(rawName, undefined);
          if (!("elf" in found)) {
            missing.push(found);
            continue;
          }
          if (found.elf.soname !== undefined && found.elf.soname !== rawName) {
            // One that is loaded already under its own name is only linked to, but must be there under both.
            if (!loaded.has(found.elf.soname)) loaded.set(found.elf.soname, found);
          }
          libraries.push(found);
          next.push(found);
        }
      }
      queue = next;
    }
    return { libraries, missing };
  }

  #find(rawName: string, object: LoadedObject, executable: LoadedObject): LoadedObject | MissingLibrary {
    const searched: string[] = [];
    const passedOver: string[] = [];
    const attempt = (sourcePath: string, containerPath: string, cacheEntry?: CacheEntry): LoadedObject | undefined => {
      const elf = this.#parse(sourcePath);
      if (elf === undefined) return undefined;
      if (elf !== "unfit" && isSameTarget(elf, object.elf))
        return { sourcePath, containerPath, elf, cacheEntry, loader: object };
      passedOver.push(sourcePath);
      return undefined;
    };
    const missing = () => ({ name: rawName, neededBy: object.sourcePath, searched, passedOver });

    if (rawName.includes("/")) {
      for (const { sourceDirectory, containerDirectory } of this.#expand(rawName, object)) {
        searched.push(sourceDirectory);
        const found = attempt(sourceDirectory, containerDirectory);
        if (found !== undefined) return found;
      }
      return missing();
    }
    const inDirectories = (directories: Iterable<SearchDirectory>) => {
      for (const { sourceDirectory, containerDirectory } of directories) {
        if (!searched.includes(sourceDirectory)) searched.push(sourceDirectory);
        const found = attempt(join(sourceDirectory, rawName), join(containerDirectory, rawName));
        if (found !== undefined) return found;
      }
      return undefined;
    };
    const found = inDirectories(this.#ownDirectories(object, executable));
    if (found !== undefined) return found;
    if (object.elf.isWithoutDefaultDirectories && !this.#isMusl) return missing();
    if (!this.#isMusl) {
      searched.push("/etc/ld.so.cache");
      for (const entry of this.#cache.get(rawName) ?? []) {
        const cached = attempt(entry.path, entry.path, entry);
        if (cached !== undefined) return cached;
      }
    }
    const defaults = this.#defaultDirectories.map((path) => ({ sourceDirectory: path, containerDirectory: path }));
    return inDirectories(defaults) ?? missing();
  }

  /** The directories that the objects themselves name. */
  *#ownDirectories(object: LoadedObject, executable: LoadedObject): Generator<SearchDirectory> {
    if (this.#isMusl) {
      for (let loader: LoadedObject | undefined = object; loader !== undefined; loader = loader.loader)
        yield* this.#expandList(loader.elf.runpath ?? loader.elf.rpath, loader);
      return;
    }
    if (object.elf.runpath !== undefined) {
      yield* this.#expandList(object.elf.runpath, object);
      return;
    }
    let last: LoadedObject | undefined;
    for (let loader: LoadedObject | undefined = object; loader !== undefined; loader = loader.loader) {
      last = loader;
      if (loader.elf.runpath === undefined) yield* this.#expandList(loader.elf.rpath, loader);
    }
    if (last !== executable && executable.elf.runpath === undefined)
      yield* this.#expandList(executable.elf.rpath, executable);
  }

  *#expandList(list: string | undefined, object: LoadedObject): Generator<SearchDirectory> {
    for (const entry of list?.split(":") ?? []) yield* this.#expand(entry, object);
  }

  /** What an entry means for an object; nothing for one that depends on the current directory. */
  *#expand(entry: string, object: LoadedObject): Generator<SearchDirectory> {
    const usesLib = /\$(LIB\b|\{LIB\})/.test(entry) && !this.#isMusl;
    const libNames = usesLib
      ? [...new Set(this.#defaultDirectories.map((path) => path.replace(/^\/(usr\/)?/, "")))]
      : [""];
    for (const lib of libNames) {
      const expandFor = (objectPath: string) =>
        entry.replace(
          /\$(?:(ORIGIN|LIB|PLATFORM)\b|\{(ORIGIN|LIB|PLATFORM)\})/g,
          (token, plain?: string, braced?: string) => {
            const name = plain ?? braced;
            if (name === "ORIGIN") return dirname(objectPath);
            if (this.#isMusl) return token;
            return name === "LIB" ? lib : (platforms[object.elf.machine] ?? token);
          },
        );
      const directory = {
        sourceDirectory: expandFor(object.sourcePath),
        containerDirectory: expandFor(object.containerPath),
      };
      if (directory.sourceDirectory.startsWith("/")) yield directory;
    }
  }

  #parse(path: string): ElfFile | "unfit" | undefined {
    const fd = this.#open(path);
    if (fd === undefined) return undefined;
    try {
      if (!isRegularFile(fd)) return "unfit";
      const elf = parseElf((offset, length) => readFileAt(fd, offset, length));
      return typeof elf === "string" ? "unfit" : elf;
    } finally {
      closeFd(fd);
    }
  }

  #read(path: string, maxBytes: number): Uint8Array {
    const fd = this.#open(path);
    if (fd === undefined) return new Uint8Array();
    try {
      return isRegularFile(fd) ? readFileAt(fd, 0, maxBytes) : new Uint8Array();
    } finally {
      closeFd(fd);
    }
  }

  #readCache(): Map<string, CacheEntry[]> {
    const byName = new Map<string, CacheEntry[]>();
    for (const entry of parseLdCache(this.#read("/etc/ld.so.cache", maxCacheBytes))) {
      const entries = byName.get(entry.name);
      if (entries === undefined) byName.set(entry.name, [entry]);
      else if (entry.isForCapabilities) entries.push(entry);
      else entries.splice(firstForCapabilities(entries), 0, entry);
    }
    return byName;
  }

  /**
   * glibc compiles its default directories into the dynamic linker, as strings that end with a slash. They differ between
   * distributions, so they are read from there.
   */
  #readDefaultDirectories(interpreter: string): readonly string[] {
    const text = Buffer.from(this.#read(interpreter, maxInterpreterBytes)).toString("latin1");
    const found = [...text.matchAll(/\0(\/[\w./+-]{0,255}lib[\w./+-]{0,255})\/(?=\0)/g)].map((match) => match[1] ?? "");
    return found.length > 0 ? [...new Set(found)] : glibcDefaultDirectories;
  }

  /** musl reads its directories from `/etc/ld-musl-ARCH.path`, one a line or between colons. */
  #readMuslPath(interpreter: string): readonly string[] {
    const prefix = dirname(dirname(interpreter));
    const file = `${prefix === "/" ? "" : prefix}/etc/${interpreter.slice(interpreter.lastIndexOf("/") + 1).replace(/\.so\.1$/, ".path")}`;
    const text = Buffer.from(this.#read(file, 65536)).toString();
    const directories = text.split(/[:\n]/).filter((path) => path.startsWith("/"));
    return directories.length > 0 ? directories : muslDefaultDirectories;
  }
}

function isRegularFile(fd: number): boolean {
  return (fstat(fd).mode & fileTypes.S_IFMT) === fileTypes.S_IFREG;
}

function firstForCapabilities(entries: readonly CacheEntry[]): number {
  const index = entries.findIndex((entry) => entry.isForCapabilities);
  return index < 0 ? entries.length : index;
}

/** Puts a name below a directory, whose `..` stay as they are: a link may lie before one. */
function join(directory: string, name: string): string {
  return directory.endsWith("/") ? `${directory}${name}` : `${directory}/${name}`;
}
