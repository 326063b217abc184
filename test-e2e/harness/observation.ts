/** The five capability sets, as hexadecimal masks. */
export interface CapabilitySets {
  readonly bounding: string;
  readonly effective: string;
  readonly inheritable: string;
  readonly permitted: string;
  readonly ambient: string;
}

/** One line of mountinfo, see proc_pid_mountinfo(5). */
export interface MountLine {
  readonly mountId: number;
  readonly parentId: number;
  readonly root: string;
  readonly target: string;
  readonly options: readonly string[];
  /** `shared:1`, `master:2`, `unbindable`. */
  readonly propagation: readonly string[];
  readonly type: string;
  readonly source: string;
  readonly superOptions: readonly string[];
}

/** What the probe printed, by its arguments. */
export class Observation {
  readonly #lines: readonly (readonly [string, unknown])[];

  constructor(output: string) {
    this.#lines = output
      .split("\n")
      .filter((line) => line.trim() !== "")
      .map((line) => {
        try {
          return JSON.parse(line) as [string, unknown];
        } catch {
          throw new Error(
            `the probe printed what is no line of its own: ${JSON.stringify(line)} in ${JSON.stringify(output)}`,
          );
        }
      });
  }

  /** What `verb` found; throws when the probe did not come to it. */
  of<Value = unknown>(verb: string): Value {
    const line = this.#lines.find(([name]) => name === verb);
    if (line === undefined)
      throw new Error(`the probe did not print ${verb}; it printed ${JSON.stringify(this.#lines)}`);
    return line[1] as Value;
  }

  /** All that `verb` found, in order. */
  all(verb: string): unknown[] {
    return this.#lines.filter(([name]) => name === verb).map(([, value]) => value);
  }

  /** The mounts, of `read=/proc/self/mountinfo`. */
  mounts(): MountLine[] {
    return parseMountinfo(this.of<string>("read=/proc/self/mountinfo"));
  }

  /** The last mount at a path; throws when there is none. */
  mountAt(target: string): MountLine {
    const found = this.mounts().findLast((mount) => mount.target === target);
    if (found === undefined)
      throw new Error(`nothing is mounted at ${target}: ${JSON.stringify(this.mounts(), null, 1)}`);
    return found;
  }
}

/** @param text - content of a mountinfo file. */
export function parseMountinfo(text: string): MountLine[] {
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => {
      const fields = line.split(" ");
      const separator = fields.indexOf("-");
      const field = (index: number): string => fields[index] ?? "";
      return {
        mountId: Number(field(0)),
        parentId: Number(field(1)),
        root: field(3),
        target: field(4),
        options: field(5).split(","),
        propagation: fields.slice(6, separator),
        type: field(separator + 1),
        source: field(separator + 2),
        superOptions: field(separator + 3).split(","),
      };
    });
}
