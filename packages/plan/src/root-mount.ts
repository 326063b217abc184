import { type Context, isCreated } from "./context.ts";
import { isKernelAtLeast } from "./host-facts.ts";
import { isBind, type MountRequest, mountError } from "./mount-request.ts";
import type { MountOption } from "./operation.ts";

/**
 * Whether a mount becomes the root file system: a new file system at `/`, such as the overlay of an image's layers. It lies
 * over the directory that `root.path` names, and in the container's mount namespace alone, so it ends with the container.
 *
 * @throws RunletError `ERR_RUNLET_MOUNT` for a mount that cannot be the root.
 */
export function isRootMount(context: Context, request: MountRequest): boolean {
  const { containerPath, options, pointer } = request;
  if (containerPath !== "/") return false;
  const at = `${pointer}/destination`;
  if (isBind(request) || options.remount) {
    throw mountError(at, "a bind mount or a remount cannot cover the root", "name the directory in root.path");
  }
  if (pointer !== "/mounts/0") {
    throw mountError(
      at,
      "a mount that covers the root must be the first",
      "what was mounted before it would be hidden",
    );
  }
  if (!isCreated(context, "mount")) {
    throw mountError(at, "a mount cannot cover the root", "give the container a mount namespace of its own");
  }
  return true;
}

/**
 * The options of an overlay, one `lowerdir+` for each layer: fsconfig(2) takes no value beyond 255 bytes. Kernels before 6.7
 * know only the whole list.
 *
 * @see Documentation/filesystems/overlayfs.rst#multiple-lower-layers
 */
export function overlayOptions({ host }: Context, options: readonly MountOption[]): readonly MountOption[] {
  if (!isKernelAtLeast(host, 6, 7)) return options;
  return options.flatMap((option) => {
    // `::` sets layers apart that hold nothing but data.
    if (option.key !== "lowerdir" || option.value === null || option.value.includes("::")) return [option];
    return splitLayers(option.value).map((value) => ({ key: "lowerdir+", value }));
  });
}

/** The list's separator and its escape, `\`, are ordinary characters of a single layer. */
function splitLayers(list: string): string[] {
  const layers = list.match(/(?:\\.|[^:\\])+/gs) ?? [];
  return layers.map((layer) => layer.replace(/\\(.)/gs, "$1"));
}
