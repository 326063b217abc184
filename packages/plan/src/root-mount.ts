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

/** fsconfig(2) takes a value of that many bytes and its end. */
const maxValueBytes = 255;

/**
 * The options of an overlay, whose list of layers may be longer than a value of fsconfig(2) can be: one `lowerdir+` for each
 * layer, or before Linux 6.7, which does not know that, descriptors of the layers.
 *
 * @throws RunletError `ERR_RUNLET_MOUNT` for more layers than an older kernel can be told of.
 * @see Documentation/filesystems/overlayfs.rst#multiple-lower-layers
 */
export function overlayOptions(
  context: Context,
  { pointer }: MountRequest,
  options: readonly MountOption[],
): { readonly options: readonly MountOption[]; readonly layerHostPaths?: readonly string[] } {
  const list = options.find(({ key }) => key === "lowerdir")?.value ?? "";
  // `::` sets layers apart that hold nothing but data.
  if (list === "" || list.includes("::")) return { options };
  const layers = splitLayers(list);
  if (isKernelAtLeast(context.host, 6, 7)) {
    const expand = (option: MountOption) =>
      option.key === "lowerdir" ? layers.map((value) => ({ key: "lowerdir+", value })) : [option];
    return { options: options.flatMap(expand) };
  }
  if (Buffer.byteLength(list) <= maxValueBytes) return { options };
  // Numbers of descriptors have three digits at most, and a colon.
  if (layers.length * 4 > maxValueBytes) {
    throw mountError(
      `${pointer}/options`,
      `${layers.length} layers: Linux before 6.7 can be told of ${Math.floor(maxValueBytes / 4)} alone`,
      "use a newer kernel, or squash some of the layers into one",
    );
  }
  return { options: options.filter(({ key }) => key !== "lowerdir"), layerHostPaths: layers };
}

/** The list's separator and its escape, `\`, are ordinary characters of a single layer. */
function splitLayers(list: string): string[] {
  const layers = list.match(/(?:\\.|[^:\\])+/gs) ?? [];
  return layers.map((layer) => layer.replace(/\\(.)/gs, "$1"));
}
