import { posix } from "node:path";
import { quote, RunletError } from "@runlet/errors";

const pointer = "/linux/cgroupsPath";

/** A `cgroupsPath` in the form of the file system drivers. */
export interface FilePath {
  /** Absolute: below the hierarchies' roots. Otherwise: below the runtime's own control group. */
  readonly isAbsolute: boolean;
  /** Names of the directories, one at least. */
  readonly names: readonly string[];
}

/** A `cgroupsPath` in systemd's form, `slice:prefix:name`. */
export interface UnitPath {
  /** `machine.slice`; empty is the default slice. */
  readonly slice: string;
  /** `libpod`; may be empty. */
  readonly prefix: string;
  /** Usually the container's id. */
  readonly name: string;
}

/**
 * Reads a `cgroupsPath` for the file system drivers. As in runc, an absolute one lies below the root of each hierarchy,
 * a relative one below the runtime's own control group, and the default is the relative path `id`. Systemd's form is a
 * name like any other: BuildKit sends it without asking for the systemd driver.
 *
 * @throws RunletError `ERR_RUNLET_CONFIG_INVALID` for a path that climbs out, or that names no control group.
 * @see config-linux.md#cgroups-path
 */
export function parseFilePath(cgroupsPath: string | undefined, id: string): FilePath {
  if (cgroupsPath === undefined || cgroupsPath === "") return { isAbsolute: false, names: [id] };
  if (cgroupsPath.split("/").includes("..")) {
    throw invalid(cgroupsPath, 'climbs out with ".."', "give the path of the control group itself");
  }
  const names = cgroupsPath.split("/").filter((name) => name !== "" && name !== ".");
  for (const name of names) checkName(cgroupsPath, name);
  if (names.length === 0)
    throw invalid(cgroupsPath, "names no control group", "give the path of a control group of its own");
  return { isAbsolute: posix.isAbsolute(cgroupsPath), names };
}

function checkName(cgroupsPath: string, name: string): void {
  if (name.includes("\0") || name.includes("\n")) {
    throw invalid(cgroupsPath, "holds a line break or NUL", "take these characters out");
  }
  if (name.length > 255) throw invalid(cgroupsPath, "holds a name of more than 255 bytes", "shorten it");
}

/**
 * Reads a `cgroupsPath` for the systemd driver. The default is `:runlet:id`.
 *
 * @throws RunletError `ERR_RUNLET_CONFIG_INVALID` when it has another form.
 */
export function parseUnitPath(cgroupsPath: string | undefined, id: string): UnitPath {
  if (cgroupsPath === undefined || cgroupsPath === "") return { slice: "", prefix: "runlet", name: id };
  const [slice, prefix, name, ...rest] = cgroupsPath.split(":");
  if (slice === undefined || prefix === undefined || name === undefined || rest.length > 0) {
    throw invalid(
      cgroupsPath,
      "does not have the form slice:prefix:name",
      'write it as "machine.slice:prefix:name", or use the cgroupfs driver',
    );
  }
  if (name === "") throw invalid(cgroupsPath, "names no unit", "give a name after the second colon");
  if (name.endsWith(".slice")) {
    throw invalid(
      cgroupsPath,
      "names a slice, which has no processes of its own",
      "put the slice before the first colon",
    );
  }
  for (const part of [prefix, name]) {
    if (!/^[\w:.@\\-]*$/.test(part)) {
      throw invalid(
        cgroupsPath,
        `holds ${quote(part)}, which no unit may be called`,
        "use letters, digits and :-_.\\@ only",
      );
    }
  }
  if (slice !== "" && slice !== "-.slice" && !isSliceName(slice)) {
    throw invalid(
      cgroupsPath,
      `holds ${quote(slice)}, which is no slice`,
      'give the name of a slice, for example "machine.slice"',
    );
  }
  return { slice, prefix, name };
}

/** `a-b.slice` is the slice b in the slice a: no empty part. @see systemd.slice(5) */
function isSliceName(slice: string): boolean {
  if (!slice.endsWith(".slice") || slice.length > 255) return false;
  return slice
    .slice(0, -".slice".length)
    .split("-")
    .every((part) => /^[\w:.@\\]+$/.test(part));
}

/** Path of a slice below the root: `a-b.slice` is `/a.slice/a-b.slice`. @see systemd.slice(5) */
export function slicePath(slice: string): string {
  if (slice === "-.slice") return "/";
  const parts = slice.slice(0, -".slice".length).split("-");
  return parts.map((_, index) => `/${parts.slice(0, index + 1).join("-")}.slice`).join("");
}

/** Name of the unit: `prefix-name.scope`. */
export function unitName(path: UnitPath): string {
  return path.prefix === "" ? `${path.name}.scope` : `${path.prefix}-${path.name}.scope`;
}

function invalid(cgroupsPath: string, what: string, hint: string): RunletError {
  return new RunletError("ERR_RUNLET_CONFIG_INVALID", `cgroupsPath ${quote(cgroupsPath)} ${what}`, { pointer, hint });
}
