/**
 * Programs to run at events of the container's life, in the order in which they are listed.
 *
 * @see config.md#posix-platform-hooks
 */
export interface Hooks {
  /**
   * After the runtime environment has been created and before pivot_root(2), in the runtime's namespaces.
   *
   * @deprecated The specification names `createRuntime`, `createContainer` and `startContainer` in its place.
   */
  prestart?: Hook[];
  /** During `create`, after the namespaces are there and before pivot_root(2); runs in the runtime's namespaces. */
  createRuntime?: Hook[];
  /** During `create`, after `createRuntime` and before pivot_root(2); runs in the container's namespaces. */
  createContainer?: Hook[];
  /** During `start`, before the user's process is executed; runs in the container's namespaces, path in the container. */
  startContainer?: Hook[];
  /** After the user's process is executed and before `start` returns; runs in the runtime's namespaces. */
  poststart?: Hook[];
  /** After the container is deleted and before `delete` returns; runs in the runtime's namespaces. */
  poststop?: Hook[];
}

/**
 * One program to run. The container's state is its standard input.
 *
 * @see config.md#posix-platform-hooks
 */
export interface Hook {
  /** Executable. MUST be an absolute path. */
  path: string;
  /** Arguments as execv(3) takes them: the first is the program's own name. */
  args?: string[];
  /** Environment as `NAME=value` strings. */
  env?: string[];
  /**
   * Seconds until the hook is aborted. MUST be greater than zero.
   *
   * @asType integer
   * @minimum 1
   * @maximum 9007199254740991
   */
  timeout?: number;
}

/** The kinds of hooks, in the order of their moments. */
export const hookNames = [
  "prestart",
  "createRuntime",
  "createContainer",
  "startContainer",
  "poststart",
  "poststop",
] as const satisfies readonly (keyof Hooks)[];

/** A kind of hook. */
export type HookName = (typeof hookNames)[number];
