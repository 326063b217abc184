import { defaultSpec, type Mount, rootlessSpec, type Spec, type User } from "@runlet/spec";

/** What is written into a bundle's config.json beyond the default. All of it can be edited afterwards. */
export interface BundleConfig {
  /** Program and arguments. Default: the first executable that was bundled, or the default's `sh` for a tree. */
  readonly args?: readonly string[];
  /** `NAME=value` each; takes the place of a default one of the same name. */
  readonly env?: readonly string[];
  /** Working directory in the container. */
  readonly cwd?: string;
  readonly hostname?: string;
  /** Memory limit in bytes. */
  readonly memoryLimitBytes?: number;
  /** Mounts after the default ones. */
  readonly mounts?: readonly Mount[];
  /** Whether the process gets a terminal. */
  readonly terminal?: boolean;
  /** Whether the root filesystem is read-only; default true. */
  readonly readonly?: boolean;
  readonly user?: User;
}

/**
 * The configuration of a new bundle: the default one, for the caller's privileges, edited.
 *
 * @param config - what differs; it takes precedence.
 * @param executable - path in the container of what is executed if `config.args` does not say.
 */
export function composeSpec(config: BundleConfig, executable: string | undefined): Spec {
  const uid = process.geteuid?.() ?? 0;
  const gid = process.getegid?.() ?? 0;
  const spec = uid === 0 ? defaultSpec() : rootlessSpec({ uid, gid });
  const init = spec.process ?? { cwd: "/", user: { uid: 0, gid: 0 } };
  spec.process = init;
  init.terminal = config.terminal ?? false;
  if (config.args !== undefined) init.args = [...config.args];
  else if (executable !== undefined) init.args = [executable];
  init.env = mergeEnv(init.env ?? [], config.env ?? []);
  if (config.cwd !== undefined) init.cwd = config.cwd;
  if (config.user !== undefined) init.user = config.user;
  if (config.hostname !== undefined) spec.hostname = config.hostname;
  if (config.readonly !== undefined) spec.root = { path: "rootfs", readonly: config.readonly };
  if (config.mounts !== undefined) spec.mounts = [...(spec.mounts ?? []), ...config.mounts];
  if (config.memoryLimitBytes !== undefined) {
    const linux = spec.linux ?? {};
    spec.linux = { ...linux, resources: { ...linux.resources, memory: { limit: config.memoryLimitBytes } } };
  }
  return spec;
}

function mergeEnv(base: readonly string[], additions: readonly string[]): string[] {
  const byName = new Map<string, string>();
  for (const entry of [...base, ...additions]) byName.set(entry.split("=", 1)[0] ?? entry, entry);
  return [...byName.values()];
}
