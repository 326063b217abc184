import { messageOf } from "./container-errors.ts";
import type { Warning } from "./options.ts";

/** Undoes one thing that has been made. */
export type Undo = () => void | Promise<void>;

/**
 * Undoes what has been made, the last thing first; a step that fails is warned of, and the others are taken all the same.
 *
 * @param steps - in the order in which the things were made.
 */
export async function undoAll(steps: readonly Undo[], warn: (warning: Warning) => void): Promise<void> {
  for (const step of steps.toReversed()) {
    try {
      await step();
    } catch (failure) {
      warn({ message: `could not be undone: ${messageOf(failure)}` });
    }
  }
}
