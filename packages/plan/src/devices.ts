import { quote, RunletError } from "@runlet/errors";
import type { LinuxDevice } from "@runlet/spec";
import { type Context, hasNamespace, isInUserNamespace } from "./context.ts";
import { isBind, type MountRequest } from "./mount-request.ts";
import type { MakeDevice, OpenConsole, Operation, Symlink } from "./operation.ts";
import { cleanPath, isWithin } from "./path.ts";
import { pointerTo, specRules } from "./pointer.ts";

/** Devices that every container has. @see config-linux.md#default-devices */
const defaultDevices = [
  { containerPath: "/dev/null", major: 1, minor: 3 },
  { containerPath: "/dev/zero", major: 1, minor: 5 },
  { containerPath: "/dev/full", major: 1, minor: 7 },
  { containerPath: "/dev/random", major: 1, minor: 8 },
  { containerPath: "/dev/urandom", major: 1, minor: 9 },
  { containerPath: "/dev/tty", major: 5, minor: 0 },
] as const;

const defaultMode = 0o666;
const permissionBits = 0o7777;
const maxDeviceNumber = 0xffff_ffff;

/**
 * Device nodes and the links of /dev. A node of the config takes the place of a default one; a path that a mount covers is
 * left to the mount.
 *
 * @throws RunletError `ERR_RUNLET_DEVICE` for a device that cannot be, with its pointer.
 */
export function deviceOperations(context: Context, mounts: readonly MountRequest[]): Operation[] {
  const isTaken = takenPaths(mounts);
  const isDevBound = mounts.some((request) => isBind(request) && request.containerPath === "/dev");
  const bind = isInUserNamespace(context);
  const wanted = configDevices(context, bind);
  const made = wanted.filter((device) => !(isDevBound && isWithin(device.containerPath, "/dev")));
  if (made.length < wanted.length) {
    context.warnings.push({
      pointer: "/linux/devices",
      message: "devices below /dev are not made: /dev is a bind mount, and what it holds belongs to the host",
    });
  }
  if (isDevBound) return made;
  const paths = new Set(wanted.map(({ containerPath }) => containerPath));
  const defaults = defaultDevices
    .filter(({ containerPath }) => !paths.has(containerPath) && !isTaken(containerPath))
    .map(
      (device): MakeDevice => ({
        op: "makeDevice",
        ...device,
        type: "c",
        mode: defaultMode,
        uid: 0,
        gid: 0,
        bind,
        from: specRules.defaultDevices,
      }),
    );
  const links = devLinks(context).filter(({ containerPath }) => !paths.has(containerPath) && !isTaken(containerPath));
  return [...defaults, ...made, ...links];
}

/** `openConsole` for a process with a terminal. */
export function consoleOperations(context: Context): OpenConsole[] {
  const { terminal, consoleSize } = context.process;
  if (terminal !== true) return [];
  return [
    {
      op: "openConsole",
      height: consoleDimension(consoleSize?.height ?? 0, "height"),
      width: consoleDimension(consoleSize?.width ?? 0, "width"),
      bind: hasNamespace(context, "mount"),
      from: "/process/terminal",
    },
  ];
}

/** A terminal counts in 16 bits, struct winsize of ioctl_tty(2). */
function consoleDimension(size: number | bigint, name: "height" | "width"): number {
  if (size <= 0xffff) return Number(size);
  throw new RunletError("ERR_RUNLET_PROCESS", `a terminal cannot have a ${name} of ${size}`, {
    pointer: `/process/consoleSize/${name}`,
    hint: "at most 65535",
  });
}

function takenPaths(mounts: readonly MountRequest[]): (containerPath: string) => boolean {
  const paths = new Set(mounts.map(({ containerPath }) => containerPath));
  return (containerPath) => paths.has(containerPath);
}

/** The nodes of the config; of several with the same path the last. */
function configDevices(context: Context, bind: boolean): MakeDevice[] {
  const byPath = new Map<string, MakeDevice>();
  for (const [index, device] of (context.linux.devices ?? []).entries()) {
    const made = makeDevice(device, pointerTo("linux", "devices", index), bind);
    byPath.delete(made.containerPath);
    byPath.set(made.containerPath, made);
  }
  return [...byPath.values()];
}

function makeDevice(device: LinuxDevice, pointer: string, bind: boolean): MakeDevice {
  // mknod(1) calls a character device unbuffered, of which the kernel knows nothing.
  const type = device.type === "u" ? "c" : device.type;
  if (type !== "c" && type !== "b" && type !== "p") {
    throw new RunletError("ERR_RUNLET_DEVICE", `unknown type of device ${quote(String(device.type))}`, {
      pointer: `${pointer}/type`,
      hint: "one of c, b, u, p",
    });
  }
  if (!device.path.startsWith("/")) {
    throw new RunletError("ERR_RUNLET_DEVICE", `the path ${quote(device.path)} of a device is not absolute`, {
      pointer: `${pointer}/path`,
    });
  }
  return {
    op: "makeDevice",
    containerPath: cleanPath(device.path),
    type,
    major: type === "p" ? 0 : deviceNumber(device.major, `${pointer}/major`),
    minor: type === "p" ? 0 : deviceNumber(device.minor, `${pointer}/minor`),
    // Podman leaves the bits of the file's type in: 8630 is 0o20666.
    mode: (device.fileMode ?? defaultMode) & permissionBits,
    uid: device.uid ?? 0,
    gid: device.gid ?? 0,
    // A pipe can be made in a user namespace, and a bind of the host's would join the two.
    bind: bind && type !== "p",
    from: pointer,
  };
}

function deviceNumber(number: number | bigint | undefined, pointer: string): number {
  if (number !== undefined && number >= 0 && number <= maxDeviceNumber) return Number(number);
  const message = number === undefined ? "a device without its number" : `${number} is not the number of a device`;
  throw new RunletError("ERR_RUNLET_DEVICE", message, { pointer, hint: "see ls -l of the host's device" });
}

/** @see config-linux.md#dev-symbolic-links, config-linux.md#default-devices for /dev/ptmx */
function devLinks(context: Context): Symlink[] {
  const links: [string, string][] = [
    ["/dev/fd", "/proc/self/fd"],
    ["/dev/stdin", "/proc/self/fd/0"],
    ["/dev/stdout", "/proc/self/fd/1"],
    ["/dev/stderr", "/proc/self/fd/2"],
  ];
  if (context.host.hasKcore) links.push(["/dev/core", "/proc/kcore"]);
  const operations = links.map(
    ([containerPath, target]): Symlink => ({
      op: "symlink",
      containerPath,
      target,
      from: specRules.devSymbolicLinks,
    }),
  );
  const ptmx: Symlink = {
    op: "symlink",
    containerPath: "/dev/ptmx",
    target: "pts/ptmx",
    from: specRules.defaultDevices,
  };
  return [...operations, ptmx];
}
