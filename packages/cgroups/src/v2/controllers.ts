import { RunletError } from "@runlet/errors";
import { errnoOf, isGone, readText, writeValue } from "../cgroup-file.ts";
import { splitWords } from "../layout.ts";
import type { PlannedWrite } from "../resource-value.ts";

/** Why a controller is not there for the container: where the way down ended, and what the kernel said. */
export interface MissingController {
  readonly hostPath: string;
  readonly errno: string | undefined;
}

/**
 * Hands controllers down from the root of the hierarchy, `cgroup.subtree_control` of one group after the other. A
 * controller that a group refuses is left out there: only a limit that needs it makes an error of that.
 */
export class ControllerPath {
  /** Controllers that the group below the last one has. */
  #available: ReadonlySet<string>;
  readonly missing = new Map<string, MissingController>();

  /** @param controllers - `cgroup.controllers` of the root. */
  constructor(controllers: readonly string[]) {
    this.#available = new Set(controllers);
  }

  /** Enables all controllers that there are for the groups below `hostPath`, the next group on the way down. */
  enable(hostPath: string): void {
    const file = `${hostPath}/cgroup.subtree_control`;
    let enabled: Set<string>;
    try {
      enabled = new Set(splitWords(readText(file)));
    } catch (error) {
      if (isGone(error)) return;
      throw error;
    }
    const wanted = [...this.#available].filter((controller) => !enabled.has(controller));
    if (wanted.length > 0 && !this.#write(file, wanted)) {
      // One of them is refused: the others need not be.
      for (const controller of wanted) {
        if (!this.#write(file, [controller])) continue;
        enabled.add(controller);
      }
    } else {
      for (const controller of wanted) enabled.add(controller);
    }
    this.#available = enabled;
  }

  #write(file: string, controllers: readonly string[]): boolean {
    try {
      writeValue(file, controllers.map((controller) => `+${controller}`).join(" "));
      return true;
    } catch (error) {
      if (controllers.length === 1) {
        this.missing.set(controllers[0] ?? "", { hostPath: file, errno: errnoOf(error) });
      }
      return false;
    }
  }
}

/** The error for a limit whose file is missing because its controller is. */
export function missingControllerError(
  write: PlannedWrite,
  hostPath: string,
  missing: ReadonlyMap<string, MissingController>,
): RunletError {
  const controller = write.file.split(".", 1)[0] ?? "";
  const reason = missing.get(controller);
  return new RunletError(
    "ERR_RUNLET_CGROUP",
    `cannot set ${write.file}: controller "${controller}" is not available in the control group ${hostPath}`,
    {
      pointer: write.from.startsWith("/") ? write.from : undefined,
      ...(reason !== undefined && { syscall: "write", errno: reason.errno, explanation: explain(reason) }),
      hint: hintOf(reason?.errno, controller),
      details: { controller, hostPath: reason?.hostPath },
    },
  );
}

function explain({ hostPath, errno }: MissingController): string {
  switch (errno) {
    case "EBUSY":
      return `${hostPath} refuses it: the group has processes of its own, and v2 allows those only in leaves`;
    case "EOPNOTSUPP":
    case "ENOTSUP":
      return `${hostPath} refuses it: the group is threaded`;
    default:
      return `${hostPath} refuses it`;
  }
}

function hintOf(errno: string | undefined, controller: string): string {
  switch (errno) {
    case "EBUSY":
      return "give a cgroupsPath below a group without processes, or move these to a group of their own";
    case "EACCES":
    case "EPERM":
    case "EROFS":
      return `have the ${controller} controller delegated to the user (systemd: Delegate=yes)`;
    default:
      return `use a kernel with the ${controller} controller (see cgroup.controllers), or remove the field`;
  }
}
