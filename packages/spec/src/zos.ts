/**
 * What is particular to z/OS.
 *
 * @see config-zos.md
 */
export interface ZOS {
  /** Namespaces; no type MUST occur twice. */
  namespaces?: ZOSNamespace[];
}

/** A namespace on z/OS. */
export interface ZOSNamespace {
  /** Kind of namespace. */
  type: "pid" | "mount" | "ipc" | "uts";
  /** File of an existing namespace to join; MUST be absolute. */
  path?: string;
}
