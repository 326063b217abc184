import { chmodSync, existsSync, mkdirSync, mkdtempSync, renameSync, writeFileSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { errnoMessage, quote, RunletError } from "@runlet/errors";
import type { Spec } from "@runlet/spec";
import { atFlags, renameat2, renameFlags } from "@runlet/syscall";
import { type BundleConfig, composeSpec } from "./bundle-config.ts";
import { type BundledFile, populateRootfs } from "./bundle-rootfs.ts";
import type { BundleSource } from "./bundle-source.ts";
import { removeTree } from "./remove-tree.ts";
import { errnoOf, isErrno } from "./root-directory.ts";
import type { UnpackLimits } from "./unpack-limits.ts";

/** What {@link createBundle} is asked for. */
export interface CreateBundleOptions {
  /** The new bundle's directory: absent, or without `rootfs` and `config.json`. */
  readonly bundleHostPath: string;
  /** What the root filesystem is made of, in this order; what comes later takes the place of what was there. */
  readonly from: readonly BundleSource[];
  /** What config.json says beyond the default. */
  readonly config?: BundleConfig;
  /** The whole config.json instead. */
  readonly spec?: Spec;
  /** Bounds for archives; default those of `unpackArchive`. */
  readonly limits?: Partial<UnpackLimits>;
}

/** A bundle that has been made. */
export interface Bundle {
  /** Absolute. */
  readonly bundleHostPath: string;
  /** Absolute. */
  readonly rootfsHostPath: string;
  readonly spec: Spec;
  /** The single files that were brought, executables first; trees and archives are not listed. */
  readonly files: readonly BundledFile[];
  /** What a reader should know, one sentence each. */
  readonly notes: readonly string[];
}

/**
 * Makes a bundle: `rootfs` from executables, files, directories and archives, and a config.json to fit. It is built aside and
 * renamed into place, so a failure leaves nothing behind, and nothing that exists is overwritten.
 *
 * @throws RunletError `ERR_RUNLET_EXISTS` if the bundle has a `rootfs` or `config.json`; `ERR_RUNLET_EXECUTABLE`,
 *   `ERR_RUNLET_ARCHIVE` or `ERR_RUNLET_BUNDLE` for what is wrong with a source or the place.
 * @see bundle.md
 */
export async function createBundle(options: CreateBundleOptions): Promise<Bundle> {
  const bundleHostPath = resolve(options.bundleHostPath);
  if (options.from.length === 0)
    throw new RunletError("ERR_RUNLET_USAGE", "a bundle is made from at least one executable, directory or archive");
  const isNew = !existsSync(bundleHostPath);
  refuseExisting(bundleHostPath);
  const workHostPath = makeWorkDirectory(isNew ? dirname(bundleHostPath) : bundleHostPath, bundleHostPath);
  try {
    const rootfsHostPath = join(workHostPath, "rootfs");
    mkdirSync(rootfsHostPath);
    // Open to all users of the container, whatever the umask.
    chmodSync(rootfsHostPath, 0o755);
    const content = await populateRootfs({ rootfsHostPath, from: options.from, limits: options.limits ?? {} });
    const spec = options.spec ?? composeSpec(options.config ?? {}, content.executable);
    writeFileSync(join(workHostPath, "config.json"), formatSpec(spec), { mode: 0o644 });
    publish({ workHostPath, bundleHostPath, isNew });
    return {
      bundleHostPath,
      rootfsHostPath: join(bundleHostPath, "rootfs"),
      spec,
      files: content.files,
      notes: content.notes,
    };
  } catch (error) {
    throw aboutBundle(error, bundleHostPath);
  } finally {
    removeTree({ dirFd: atFlags.AT_FDCWD, path: workHostPath });
  }
}

/** What went wrong while files were written: a full disk, most often. Everything else says what it is about. */
function aboutBundle(error: unknown, bundleHostPath: string): unknown {
  const errno = errnoOf(error);
  if (errno === undefined) return error;
  const what = `cannot make the bundle ${quote(bundleHostPath)}: ${errnoMessage(errno)}`;
  return new RunletError("ERR_RUNLET_BUNDLE", what, {
    syscall: (error as NodeJS.ErrnoException).syscall,
    errno,
    cause: error,
  });
}

/** Numbers beyond 2^53 are BigInts in a spec; JSON has them as plain digits. */
function formatSpec(spec: Spec): string {
  const bigints: string[] = [];
  const text = JSON.stringify(
    spec,
    (_key, value: unknown) => {
      if (typeof value !== "bigint") return value;
      bigints.push(value.toString());
      return `\u0000${bigints.length - 1}`;
    },
    2,
  );
  return `${text.replace(/"\\u0000(\d+)"/g, (_match, index: string) => bigints[Number(index)] ?? "0")}\n`;
}

function refuseExisting(bundleHostPath: string): void {
  for (const name of ["rootfs", "config.json"]) {
    const hostPath = join(bundleHostPath, name);
    if (existsSync(hostPath)) throw exists(hostPath);
  }
}

function exists(hostPath: string, cause?: unknown): RunletError {
  return new RunletError("ERR_RUNLET_EXISTS", `cannot make a bundle: ${quote(hostPath)} exists already`, {
    hint: "choose another directory, or remove it",
    cause,
  });
}

function makeWorkDirectory(parentHostPath: string, bundleHostPath: string): string {
  try {
    return mkdtempSync(join(parentHostPath, `.${basename(bundleHostPath)}.`));
  } catch (error) {
    throw new RunletError("ERR_RUNLET_BUNDLE", `cannot make a bundle in ${quote(parentHostPath)}`, {
      syscall: "mkdir",
      errno: errnoOf(error),
      hint: "name a directory that exists and that you may write to",
      cause: error,
    });
  }
}

function publish(options: { workHostPath: string; bundleHostPath: string; isNew: boolean }): void {
  const { workHostPath, bundleHostPath, isNew } = options;
  if (isNew) {
    chmodSync(workHostPath, 0o755);
    move(workHostPath, bundleHostPath);
    return;
  }
  const rootfsHostPath = join(bundleHostPath, "rootfs");
  move(join(workHostPath, "rootfs"), rootfsHostPath);
  try {
    move(join(workHostPath, "config.json"), join(bundleHostPath, "config.json"));
  } catch (error) {
    renameSync(rootfsHostPath, join(workHostPath, "rootfs"));
    throw error;
  }
}

/** Renames, but never over something that has come meanwhile. */
function move(fromHostPath: string, toHostPath: string): void {
  const dirFd = atFlags.AT_FDCWD;
  try {
    renameat2({
      from: { dirFd, path: fromHostPath },
      to: { dirFd, path: toHostPath },
      flags: renameFlags.RENAME_NOREPLACE,
    });
  } catch (error) {
    if (isErrno(error, "EEXIST")) throw exists(toHostPath, error);
    throw error;
  }
}
