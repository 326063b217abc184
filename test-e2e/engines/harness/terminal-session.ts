import { expect } from "vitest";
import type { Person } from "../../harness/person.ts";

/** Rows and columns of the window in which {@link useTerminal} wants to be. */
export const windowSize = { rows: 33, columns: 111 } as const;

/**
 * What a person at the shell of a container sees of its terminal: it has the window's size, follows it, and passes keys on.
 *
 * @param person - at a window of {@link windowSize}; its shell ends.
 */
export async function useTerminal(person: Person): Promise<void> {
  await person.see("/ # ");
  person.type("tty\r");
  await person.see("/dev/pts/0");
  await person.ask("stty size", "33 111");
  person.resize(44, 122);
  await person.ask("stty size", "44 122");
  // What is typed is seen, too: the quotes keep it from being the answer.
  person.type("sh -c 'echo go''ne to sleep; exec sleep 100000'\r");
  await person.see("gone to sleep");
  person.type("\x03");
  person.type("exit 5\r");
  expect(await person.status).toBe(5);
}
