import { type ImageDirectory, imageError } from "./image-directory.ts";
import { readSingle } from "./image-file.ts";
import { cgroupFields, type ImageCgroupDirectory } from "./image-message.ts";

const imageName = "cgroup";

/**
 * Checks that an image says of control groups only what lies in the container's: CRIU puts that in the place of the one
 * directory that an image has for each controller, writes to files in it by their names, and moves processes to paths below it.
 *
 * @throws RunletError `ERR_RUNLET_CHECKPOINT`.
 */
export function checkCgroups(images: ImageDirectory): void {
  if (!images.names.includes(`${imageName}.img`)) return;
  const { sets = [], controllers = [] } = readSingle(images, { name: imageName, kind: "cgroup", schema: cgroupFields });
  const refuse = (what: string) => imageError(images.hostPath, `${imageName}.img`, what);
  const roots = new Map<string, string>();
  for (const { names = [], directories = [] } of controllers) {
    if (names.length === 0 || directories.length > 1) throw refuse("has several control groups for one controller");
    for (const directory of directories) {
      if (!isSoundTree(directory)) throw refuse("names a control group or a file of one as nothing is named");
      for (const name of names) roots.set(name, absolute(directory.name));
    }
  }
  for (const { members = [] } of sets) {
    for (const { name = "", path = "" } of members) {
      const root = roots.get(name);
      const isWithin = root !== undefined && isSoundPath(path) && (path === root || path.startsWith(`${root}/`));
      if (!isWithin) throw refuse("has a process in a control group that is not the container's");
    }
  }
}

function absolute(path = ""): string {
  return path.startsWith("/") ? path : `/${path}`;
}

function isSoundTree({ name = "", children = [], properties = [] }: ImageCgroupDirectory): boolean {
  return (
    isSoundPath(name) &&
    properties.every((property) => /^[A-Za-z0-9_]+(?:\.[A-Za-z0-9_]+)*$/.test(property.name ?? "")) &&
    children.every(isSoundTree)
  );
}

/** No way up, no empty component, nothing that ends a string of C. */
function isSoundPath(path: string): boolean {
  const [first = "", ...rest] = absolute(path).slice(1).split("/");
  return [first, ...rest].every((part) => part !== "" && part !== "." && part !== ".." && !part.includes("\0"));
}
