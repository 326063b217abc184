/** How bad an issue is: a config with an error is not run, one with warnings is. */
export type Severity = "error" | "warning";

/** One thing that is wrong, or doubtful, in a text. */
export interface Issue {
  readonly severity: Severity;
  /** JSON Pointer (RFC 6901) of the entry; `""` is the whole text. */
  readonly pointer: string;
  /** Line of the entry, from 1. */
  readonly line: number;
  /** Column of the entry, from 1, in UTF-16 code units. */
  readonly column: number;
  /** Stable name of the rule: `namespaces.unique`. */
  readonly rule: string;
  /** What is wrong, in one sentence without a period. */
  readonly message: string;
  /** Section of the specification: `config-linux.md#namespaces`. */
  readonly spec: string;
  /** What to do about it. */
  readonly hint?: string;
}

/** An issue whose place in the text is not looked up yet. */
export interface Finding {
  readonly severity: Severity;
  readonly pointer: string;
  readonly rule: string;
  readonly message: string;
  readonly spec: string;
  readonly hint?: string | undefined;
  /** Whether it is about the member's name and not about its value. */
  readonly atKey?: boolean;
  /** UTF-16 code units before the place, where they are known already. */
  readonly offset?: number;
}

/**
 * A value whose members may be missing, because they are required and not given, or because they were of a wrong type and are
 * reported already. What rules look at.
 */
export type Unsound<T> = T extends readonly (infer Element)[]
  ? readonly (Unsound<Element> | undefined)[]
  : T extends object
    ? { readonly [Key in keyof T]?: Unsound<T[Key]> | undefined }
    : T;
