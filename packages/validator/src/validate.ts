import type { Features, LinuxResources, Process, Spec, State } from "@runlet/spec";
import * as configSchema from "../generated/config.js";
import type { Finding, Issue, Unsound } from "./issue.ts";
import { stringifyJson } from "./json-writer.ts";
import { locate, positionsOf } from "./position.ts";
import { applyRules, type Rule } from "./rule.ts";
import { rulesOfConfig, rulesOfLinux, rulesOfProcess, rulesOfResources, rulesOfStart } from "./rules/index.ts";
import { checkStructure, type SchemaValidator } from "./structure.ts";
import { defaultMaximumBytes, readText } from "./text.ts";
import { findUnknownFields, type MemberTable } from "./unknown-fields.ts";

/** How a text is validated. */
export interface ValidationOptions {
  /** Most bytes of a text. Defaults to 16 MiB. */
  readonly maximumBytes?: number;
}

/** How a config.json is validated. */
export interface ConfigOptions extends ValidationOptions {
  /** Whether a config without a process will do: it can be created, not started. Defaults to false. */
  readonly allowMissingProcess?: boolean;
}

/** What a validation comes to. */
export interface Validation<T> {
  /** The value, with whole numbers beyond 2^53 as `bigint`; undefined when there is an error. */
  readonly value: T | undefined;
  /** Everything that is wrong or doubtful, in the order of the text. */
  readonly issues: readonly Issue[];
}

/** What the validation of a config.json comes to. */
export interface ConfigValidation {
  /** The config, with whole numbers beyond 2^53 as `bigint`; undefined when there is an error. */
  readonly spec: Spec | undefined;
  /** Everything that is wrong or doubtful, in the order of the text. */
  readonly issues: readonly Issue[];
}

/**
 * Validates the text of a config.json: its syntax, its structure, the rules of the specification and of the kernel between
 * its entries, and names that the specification does not have.
 *
 * Never throws for what is in the text. Looks at nothing but the text: whether paths exist is the runtime's to see.
 */
export function validateConfig(text: string | Uint8Array, options: ConfigOptions = {}): ConfigValidation {
  const { value, issues } = validate<Spec>(text, {
    ...options,
    schema: { validate: configSchema.validateSpec, members: configSchema.members, type: "Spec" },
    expected: isExpected,
    rules: (config) => [
      ...rulesOfConfig,
      ...(options.allowMissingProcess === true ? [] : rulesOfStart),
      ...(isForLinux(config) ? rulesOfLinux : []),
    ],
  });
  return { spec: value, issues };
}

/**
 * Validates a config that a program made, as {@link validateConfig} does its text.
 *
 * @returns lines and columns of the config as `stringifyJson(spec, "  ")` writes it; the spec is a copy.
 */
export function validateSpec(spec: Spec, options: ConfigOptions = {}): ConfigValidation {
  return validateConfig(stringifyJson(spec, "  "), options);
}

/** Validates the text of a process.json, which `exec` takes: the `process` of a config. */
export function validateProcess(text: string | Uint8Array, options: ValidationOptions = {}): Validation<Process> {
  return validate<Process>(text, {
    ...options,
    schema: { validate: configSchema.validateProcess, members: configSchema.members, type: "Process" },
    rules: () => rulesOfProcess,
  });
}

/** Validates the text of resources that `update` takes: the `linux.resources` of a config. */
export function validateResources(
  text: string | Uint8Array,
  options: ValidationOptions = {},
): Validation<LinuxResources> {
  return validate<LinuxResources>(text, {
    ...options,
    schema: { validate: configSchema.validateLinuxResources, members: configSchema.members, type: "LinuxResources" },
    rules: () => rulesOfResources,
  });
}

/** Validates the text of a container's state, as hooks and the `state` command have it. */
export async function validateState(
  text: string | Uint8Array,
  options: ValidationOptions = {},
): Promise<Validation<State>> {
  const { validateState, members } = await import("../generated/state.js");
  const schema = { validate: validateState, members, type: "State" };
  return validate<State>(text, { ...options, schema, rules: () => [] });
}

/** Validates the text of a runtime's features, as the `features` command prints them. */
export async function validateFeatures(
  text: string | Uint8Array,
  options: ValidationOptions = {},
): Promise<Validation<Features>> {
  const { validateFeatures, members } = await import("../generated/features.js");
  const schema = { validate: validateFeatures, members, type: "Features" };
  return validate<Features>(text, { ...options, schema, rules: () => [] });
}

interface Subject<T> extends ValidationOptions {
  readonly schema: { readonly validate: SchemaValidator; readonly members: MemberTable; readonly type: string };
  /** Whether a finding of the schema counts. */
  expected?(finding: Finding, value: Unsound<T>): boolean;
  rules(value: Unsound<T>): readonly Rule<Unsound<T>>[];
}

function validate<T>(input: string | Uint8Array, subject: Subject<T>): Validation<T> {
  const { text, findings, parsed } = readText(input, subject.maximumBytes ?? defaultMaximumBytes);
  if (parsed === undefined) return { value: undefined, issues: place(text, findings) };
  const structure = checkStructure(parsed.value, subject.schema.validate);
  // A text that is no object at all has nothing for rules to look at.
  const isObject = typeof parsed.value === "object" && parsed.value !== null && !Array.isArray(parsed.value);
  const sound = structure.sound as Unsound<T>;
  const all = [
    ...findings,
    ...structure.findings.filter((finding) => subject.expected?.(finding, sound) ?? true),
    ...findUnknownFields(parsed.value, subject.schema),
    ...(isObject ? applyRules(subject.rules(sound), sound) : []),
  ];
  const isValid = all.every(({ severity }) => severity !== "error");
  return { value: isValid ? (parsed.value as T) : undefined, issues: place(text, all) };
}

/** Looks up where the findings stand, and puts them in the order of the text. */
function place(text: string, findings: readonly Finding[]): Issue[] {
  if (findings.length === 0) return [];
  const unplaced = findings.filter(({ offset }) => offset === undefined);
  const places = unplaced.length === 0 ? undefined : locate(text, new Set(unplaced.map(({ pointer }) => pointer)));
  const positionAt = positionsOf(text);
  return findings
    .map((finding) => {
      const found = places?.get(finding.pointer);
      const offset = finding.offset ?? (finding.atKey === true ? found?.keyOffset : found?.valueOffset) ?? 0;
      return { finding, offset };
    })
    .sort((left, right) => left.offset - right.offset)
    .map(({ finding, offset }) => {
      const { severity, pointer, rule, message, spec, hint } = finding;
      const position = positionAt(offset);
      return { severity, pointer, ...position, rule, message, spec, ...(hint === undefined ? {} : { hint }) };
    });
}

/** A config that is for another platform only is held against no rule of Linux. */
function isForLinux({ linux, windows, solaris, freebsd, zos }: Unsound<Spec>): boolean {
  return linux !== undefined || [windows, solaris, freebsd, zos].every((section) => section === undefined);
}

/** Windows has users by name, without the ids that every other platform requires. */
function isExpected(finding: Finding, config: Unsound<Spec>): boolean {
  if (finding.rule !== "schema.required" || isForLinux(config) || config.windows === undefined) return true;
  return finding.pointer !== "/process/user" && finding.pointer !== "/process";
}
