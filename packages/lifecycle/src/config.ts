import { closeSync, fstatSync, openSync, readFileSync, readSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { errnoMessage, quote, RunletError } from "@runlet/errors";
import type { Spec } from "@runlet/spec";
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
  checkBundle(bundle, bundleHostPath);
  const { spec, issues } =
    config === undefined
      ? validateText(readConfig(configPath === undefined ? join(bundleHostPath, "config.json") : resolve(configPath)))
      : validateSpec(config);
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
  const isShared = config === undefined;
  if (isShared) shareConfig(current);
  return { spec: current, isShared, bundleHostPath, rootHostPath, warnings };
}

let lastText: Buffer | undefined;
let lastValidation: ConfigValidation | undefined;

/** The same text is validated once: programs start many containers of one bundle in a row. */
function validateText(text: Buffer): ConfigValidation {
  if (lastValidation !== undefined && lastText?.equals(text)) return lastValidation;
  lastText = text;
  lastValidation = validateConfig(text);
  return lastValidation;
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

function readConfig(configHostPath: string): Buffer {
  try {
    const fd = openSync(configHostPath, "r");
    try {
      return fstatSync(fd).size > defaultMaximumBytes ? readTooMuch(fd) : readFileSync(fd);
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
    if (statSync(rootHostPath).isDirectory()) return;
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
