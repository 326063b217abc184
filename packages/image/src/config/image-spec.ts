import { posix } from "node:path";
import { quote, RunletError } from "@runlet/errors";
import { type BundleConfig, composeSpec, type RootDirectory } from "@runlet/rootfs";
import type { ImageConfiguration, LinuxIDMapping, Mount, Spec, User } from "@runlet/spec";
import { closeFd, fileTypes, fstat, openFlags } from "@runlet/syscall";
import { type ContainerFiles, readAndClose } from "../layers/merged-tree.ts";
import { annotationsOf } from "./image-annotations.ts";
import { lookUpUser } from "./user-lookup.ts";

/** What the caller wants otherwise than the image says. */
export interface ImageOverrides extends Omit<BundleConfig, "args" | "user"> {
  /** Takes the place of the image's `Cmd`; its `Entrypoint` stays in front. */
  readonly args?: readonly string[] | undefined;
  /** Takes the place of the image's `Entrypoint`, and its `Cmd` then does not count; empty for none. */
  readonly entrypoint?: readonly string[] | undefined;
  /** As in an image, names looked up in the container; or ids. */
  readonly user?: string | User;
}

/** What a config.json is made of. */
export interface ImageSpecOptions {
  readonly configuration: ImageConfiguration;
  /** The container's root filesystem, in which users are looked up: a tree, or layers. */
  readonly files: ContainerFiles;
  readonly overrides?: ImageOverrides | undefined;
  /**
   * What is mounted for each of the image's `Volumes`; undefined for nothing. Default: a tmpfs that begins with what the image
   * has there.
   */
  readonly volume?: ((containerPath: string) => Mount | undefined) | undefined;
}

const defaultPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/**
 * The config.json of a container of an image: the default one for the caller's privileges, with what the image says, with
 * what the caller wants. The root filesystem can be written to unless the caller wants otherwise.
 *
 * Labels become annotations, as the specification demands. None makes runlet do anything, unless its caller allows that one
 * by name.
 *
 * @throws RunletError `ERR_RUNLET_IMAGE` for a user that is not there or not mapped, for a volume in place of the root, and if
 *   there is nothing to execute.
 * @see OCI image specification, conversion.md
 */
export function createImageSpec(options: ImageSpecOptions): Spec {
  const { configuration, files, overrides = {} } = options;
  const { config = {} } = configuration;
  const { entrypoint, args, user, env, cwd, mounts, readonly: isReadonly, ...rest } = overrides;
  const command =
    entrypoint === undefined
      ? [...(config.Entrypoint ?? []), ...(args ?? config.Cmd ?? [])]
      : [...entrypoint, ...(args ?? [])];
  if (command.length === 0)
    throw new RunletError("ERR_RUNLET_IMAGE", "the image does not say what it executes", {
      hint: "give a command after the image's name",
    });
  const imageEnv = config.Env ?? [];
  const hasPath = imageEnv.some((entry) => entry.startsWith("PATH="));
  const mounted = new Set((mounts ?? []).map(({ destination }) => trimSlashes(destination)));
  const isMapping = process.geteuid?.() !== 0;
  const volume = options.volume ?? ((containerPath: string) => tmpfsVolume(containerPath, { files, isMapping }));
  const volumes = Object.keys(config.Volumes ?? {})
    .map(volumePath)
    .filter((containerPath) => !mounted.has(trimSlashes(containerPath)))
    .flatMap((containerPath) => volume(containerPath) ?? []);
  const spec = composeSpec(
    {
      ...rest,
      args: command,
      cwd: cwd ?? absolute(config.WorkingDir ?? ""),
      mounts: [...volumes, ...(mounts ?? [])],
      readonly: isReadonly ?? false,
      user: typeof user === "object" ? user : lookUpUser(user ?? config.User ?? "", files),
    },
    undefined,
  );
  const init = spec.process;
  if (init === undefined) throw new Error("a composed spec has a process");
  // The default's own entries would remove what the image sets, and add what it leaves out.
  const terminal = init.terminal === true ? ["TERM=xterm"] : [];
  init.env = mergeEnv([...(hasPath ? [] : [defaultPath]), ...terminal, ...imageEnv, ...(env ?? [])]);
  init.user = mapped(init.user, spec);
  spec.annotations = { ...spec.annotations, ...annotationsOf(configuration) };
  return spec;
}

/** The last entry of a name counts; the place is that of the first. */
function mergeEnv(entries: readonly string[]): string[] {
  const byName = new Map<string, string>();
  for (const entry of entries) byName.set(entry.split("=", 1)[0] ?? entry, entry);
  return [...byName.values()];
}

/** Groups that a user namespace does not have are nobody's to join; a user that it does not have cannot be. */
function mapped(user: User, { linux = {} }: Spec): User {
  const { uidMappings, gidMappings } = linux;
  if (uidMappings === undefined || gidMappings === undefined) return user;
  const [kind, id, has] = isMapped(uidMappings, user.uid)
    ? (["group", user.gid, isMapped(gidMappings, user.gid)] as const)
    : (["user", user.uid, false] as const);
  if (!has)
    throw new RunletError("ERR_RUNLET_IMAGE", `the image's ${kind} ${id} is not mapped in the user namespace`, {
      hint: "run it as root of the container (--user 0:0), or map more ids",
    });
  const { additionalGids = [], ...rest } = user;
  const available = additionalGids.filter((gid) => isMapped(gidMappings, gid));
  return available.length === 0 ? rest : { ...rest, additionalGids: available };
}

function isMapped(mappings: readonly LinuxIDMapping[], id: number): boolean {
  return mappings.some(({ containerID, size }) => id >= containerID && id < containerID + size);
}

/** The mount is whose the directory is; in a user namespace, root's there, as the ids of its owner need not be mapped. */
function tmpfsVolume(containerPath: string, options: { files: ContainerFiles; isMapping: boolean }): Mount {
  const { files, isMapping } = options;
  const { mode, uid, gid } = files.directoryIfExists(containerPath) ?? { mode: 0o755, uid: 0, gid: 0 };
  const owner = isMapping ? [] : [`uid=${uid}`, `gid=${gid}`];
  return {
    destination: containerPath,
    type: "tmpfs",
    source: "tmpfs",
    options: ["nosuid", "nodev", `mode=${mode.toString(8)}`, ...owner, "tmpcopyup"],
  };
}

function volumePath(text: string): string {
  const containerPath = absolute(text);
  if (posix.normalize(containerPath) !== "/") return containerPath;
  throw new RunletError("ERR_RUNLET_IMAGE", `the image's volume ${quote(text)} would hide its whole root file system`, {
    hint: "the image itself is at fault: try another version of it",
  });
}

/** Images may name directories relative to the root. */
function absolute(containerPath: string): string {
  return containerPath.startsWith("/") ? containerPath : `/${containerPath}`;
}

function trimSlashes(containerPath: string): string {
  return containerPath.replace(/\/+$/, "");
}

/** A tree on the host as the files of a container. @param root - stays the caller's. */
export function filesOf(root: RootDirectory): ContainerFiles {
  return {
    readFileIfExists: (containerPath, limitBytes) => {
      const fd = root.openIfExists(containerPath);
      if (fd === undefined) return undefined;
      if ((fstat(fd).mode & fileTypes.S_IFMT) === fileTypes.S_IFREG)
        return readAndClose(fd, { containerPath, limitBytes });
      closeFd(fd);
      return undefined;
    },
    directoryIfExists: (containerPath) => {
      const fd = root.openIfExists(containerPath, openFlags.O_PATH | openFlags.O_DIRECTORY);
      if (fd === undefined) return undefined;
      const { mode, uid, gid } = fstat(fd);
      closeFd(fd);
      return { mode: mode & 0o7777, uid, gid };
    },
  };
}
