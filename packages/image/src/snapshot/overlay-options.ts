import { RunletError } from "@runlet/errors";
import type { Mount } from "@runlet/spec";

/** `OVL_MAX_STACK` of the kernel. */
const maxLayers = 500;

/** What an overlay lies over, and where what is written to it goes. */
export interface OverlayDirectories {
  /** The base first. */
  readonly lowerHostPaths: readonly string[];
  readonly upperHostPath: string;
  readonly workHostPath: string;
}

/** How an overlay is mounted. */
export interface OverlayBehaviour {
  /** Where overlayfs's attributes are: `user` in a user namespace. */
  readonly xattrs: "trusted" | "user";
  /** Whether fsync(2) does nothing: for what a crash may take with it. The directories can be mounted once only. */
  readonly isVolatile: boolean;
}

/**
 * The mount that makes an overlay the root file system of a container, as an entry of config.json. What a kernel's builder may
 * have switched on is switched off, so that the upper directory has whole files and no word of others: it can be read without
 * mounting it, and is the same on every host.
 *
 * @throws RunletError `ERR_RUNLET_IMAGE` for more layers than the kernel takes.
 * @see Documentation/filesystems/overlayfs.rst
 */
export function overlayMount(directories: OverlayDirectories, { xattrs, isVolatile }: OverlayBehaviour): Mount {
  const { lowerHostPaths, upperHostPath, workHostPath } = directories;
  if (lowerHostPaths.length > maxLayers) {
    throw new RunletError("ERR_RUNLET_IMAGE", `${lowerHostPaths.length} layers: the kernel takes ${maxLayers}`, {
      hint: "squash some of them into one",
    });
  }
  const lowerdir = [...lowerHostPaths].reverse().map(escapeLayer).join(":");
  return {
    destination: "/",
    type: "overlay",
    source: "overlay",
    options: [
      `lowerdir=${lowerdir}`,
      `upperdir=${escapeBackslashes(upperHostPath)}`,
      `workdir=${escapeBackslashes(workHostPath)}`,
      "index=off",
      "metacopy=off",
      // Neither made nor believed: a layer that brings one could show another directory's files.
      "redirect_dir=nofollow",
      ...(xattrs === "user" ? ["userxattr"] : []),
      ...(isVolatile ? ["volatile"] : []),
    ],
  };
}

/** A colon separates layers. */
function escapeLayer(hostPath: string): string {
  return escapeBackslashes(hostPath).replaceAll(":", "\\:");
}

function escapeBackslashes(hostPath: string): string {
  return hostPath.replaceAll("\\", "\\\\");
}
