import { closeSync, openSync, readFileSync, readSync, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { errnoMessage, quote, RunletError } from "@runlet/errors";
import type { Spec } from "@runlet/spec";
import { type FileStatus, fileTypes, fstat, isUnchanged, statPath } from "@runlet/syscall";
import {
  type ConfigValidation,
  defaultMaximumBytes,
  toRunletError,
  validateConfig,
  validateSpec,
} from "@runlet/validator";
import { inCurrentWords } from "./config-version.ts";
import type { Warning } from "./options.ts";
import { shareConfig } from "./record-json.ts";

/** What {@link loadConfig} needs. */
export interface ConfigRequest {
  readonly bundle: string;
  readonly config?: Spec | undefined;
  readonly configPath?: string | undefined;
}

/** A config that has passed validation, and where it belongs. */
export interface LoadedConfig {
  readonly spec: Spec;
  /** Whether configs of the same text have this very object: nobody changes it. */
  readonly isShared: boolean;
  /** Absolute path of the bundle. */
  readonly bundleHostPath: string;
  /** Absolute path of the root file system. */
  readonly rootHostPath: string;
  /** What the validator has found that is no error. */
  readonly warnings: readonly Warning[];
}

/**
 * Reads and validates the config of a bundle.
 *
 * @throws RunletError `ERR_RUNLET_BUNDLE`, `ERR_RUNLET_CONFIG_MISSING`, `ERR_RUNLET_CONFIG_SYNTAX`,
 *   `ERR_RUNLET_CONFIG_INVALID`, `ERR_RUNLET_ROOTFS`.
 */
export function loadConfig({ bundle, config, configPath }: ConfigRequest): LoadedConfig {
  const bundleHostPath = resolve(bundle);
  const configHostPath = configPath === undefined ? join(bundleHostPath, "config.json") : resolve(configPath);
  if (config === undefined && last !== null && isRead(last, configHostPath, bundleHostPath)) {
    checkRoot(last.loaded.rootHostPath);
    return last.loaded;
  }
  checkBundle(bundle, bundleHostPath);
  if (config !== undefined) return loadValidation(bundleHostPath, validateSpec(config), false);
  const file = readConfig(configHostPath);
  const validation = last?.file.text.equals(file.text) ? last.validation : validateConfig(file.text);
  const loaded =
    last?.validation === validation && last.loaded.bundleHostPath === bundleHostPath
      ? checkedAgain(last.loaded)
      : loadValidation(bundleHostPath, validation, true);
  last = { file, validation, loaded };
  return loaded;
}

/** A config file as it was read. */
interface ConfigFile {
  readonly hostPath: string;
  readonly text: Buffer;
  /** Null for one that had been changed a moment ago: another change might have the same time. */
  readonly status: FileStatus | null;
}

/** Programs start many containers of one bundle in a row: the same config is read and validated once. */
let last: { readonly file: ConfigFile; readonly validation: ConfigValidation; readonly loaded: LoadedConfig } | null =
  null;

/** How long ago a file has to have been changed to be known again by its times: some file systems count in two seconds. */
const settledSeconds = 4;

function isRead({ file, loaded }: NonNullable<typeof last>, configHostPath: string, bundleHostPath: string): boolean {
  const { hostPath, status } = file;
  if (status === null || hostPath !== configHostPath || loaded.bundleHostPath !== bundleHostPath) return false;
  // Of a bundle it tells only by lying in it.
  if (dirname(hostPath) !== bundleHostPath) return false;
  try {
    const found = statPath(hostPath);
    return found !== undefined && isUnchanged(status, found);
  } catch {
    return false;
  }
}

function checkedAgain(loaded: LoadedConfig): LoadedConfig {
  checkRoot(loaded.rootHostPath);
  return loaded;
}

function loadValidation(bundleHostPath: string, { spec, issues }: ConfigValidation, isShared: boolean): LoadedConfig {
  const error = toRunletError(issues);
  if (error !== undefined || spec === undefined) throw error ?? new Error("a config without errors has no value");
  const warnings = issues.map(({ message, hint, pointer, line, column }) => ({
    message: `${message}${hint === undefined ? "" : ` (${hint})`}`,
    pointer,
    line,
    column,
  }));
  const rootHostPath = resolve(bundleHostPath, spec.root?.path ?? "rootfs");
  checkRoot(rootHostPath);
  const current = inCurrentWords(spec);
  if (isShared) shareConfig(current);
  return { spec: current, isShared, bundleHostPath, rootHostPath, warnings };
}

function checkBundle(given: string, bundleHostPath: string): void {
  try {
    if (statSync(bundleHostPath).isDirectory()) return;
    throw Object.assign(new Error("not a directory"), { code: "ENOTDIR" });
  } catch (cause) {
    const code = String((cause as NodeJS.ErrnoException).code);
    throw new RunletError("ERR_RUNLET_BUNDLE", `chdir ${given}: ${errnoMessage(code)}`, {
      errno: code,
      syscall: "chdir",
      hint: "a bundle is a directory that holds config.json and a root filesystem: --bundle names it",
      cause,
    });
  }
}

function readConfig(configHostPath: string): ConfigFile {
  try {
    const fd = openSync(configHostPath, "r");
    try {
      const status = fstat(fd);
      const isSettled = Math.abs(Date.now() / 1000 - status.ctime.seconds) > settledSeconds;
      const text = status.sizeBytes > defaultMaximumBytes ? readTooMuch(fd) : readFileSync(fd);
      return { hostPath: configHostPath, text, status: isSettled ? status : null };
    } finally {
      closeSync(fd);
    }
  } catch (cause) {
    const code = String((cause as NodeJS.ErrnoException).code);
    const isMissing = code === "ENOENT";
    throw new RunletError(
      isMissing ? "ERR_RUNLET_CONFIG_MISSING" : "ERR_RUNLET_BUNDLE",
      isMissing
        ? `JSON specification file config.json not found: ${quote(configHostPath)}`
        : `${quote(configHostPath)} cannot be read: ${errnoMessage(code)}`,
      { errno: code, syscall: "open", hint: "`runlet spec` writes one, `runlet bundle` makes a whole bundle", cause },
    );
  }
}

/** The beginning of a text that is too long, long enough for the validator to say so. */
function readTooMuch(fd: number): Buffer {
  const text = Buffer.alloc(defaultMaximumBytes + 1);
  readSync(fd, text);
  return text;
}

function checkRoot(rootHostPath: string): void {
  let code = "ENOTDIR";
  try {
    const found = statPath(rootHostPath);
    if (found === undefined) code = "ENOENT";
    else if ((found.mode & fileTypes.S_IFMT) === fileTypes.S_IFDIR) return;
  } catch (error) {
    code = String((error as NodeJS.ErrnoException).code);
  }
  throw new RunletError("ERR_RUNLET_ROOTFS", `the root filesystem ${quote(rootHostPath)}: ${errnoMessage(code)}`, {
    pointer: "/root/path",
    errno: code,
    syscall: "stat",
    hint: "root.path is relative to the bundle; it must be a directory",
  });
}
