import type { Architecture } from "./architecture.ts";
import { syscallNames, syscallNumbers } from "./generated/syscall-table.ts";

type TableName = Architecture["table"];

let indexByName: Map<string, number> | undefined;
const numbersByTable = new Map<TableName, readonly number[]>();
const namesByTable = new Map<TableName, Map<number, string>>();

/**
 * @returns the position of a system call's name in every table, or undefined for a name that no architecture knows.
 */
export function findSyscallIndex(name: string): number | undefined {
  if (indexByName === undefined) {
    indexByName = new Map();
    let index = 0;
    for (const known of syscallNames.split(" ")) indexByName.set(known, index++);
  }
  return indexByName.get(name);
}

/**
 * The numbers of one architecture's calls, by {@link findSyscallIndex}; −1 where it does not have the call. Read once per
 * table, when first asked for.
 */
export function readSyscallNumbers(table: TableName): readonly number[] {
  let numbers = numbersByTable.get(table);
  if (numbers === undefined) {
    numbers = JSON.parse(syscallNumbers[table]) as number[];
    numbersByTable.set(table, numbers);
  }
  return numbers;
}

/** The number of a call on an architecture, or undefined if it does not have the call. */
export function findSyscallNumber(name: string, architecture: Architecture): number | undefined {
  const index = findSyscallIndex(name);
  const number = index === undefined ? undefined : readSyscallNumbers(architecture.table)[index];
  return number === undefined || number < 0 ? undefined : number;
}

/** The name of a call on an architecture, or undefined for a number that it does not use. */
export function findSyscallName(number: number, architecture: Architecture): string | undefined {
  let names = namesByTable.get(architecture.table);
  if (names === undefined) {
    names = new Map();
    const numbers = readSyscallNumbers(architecture.table);
    let index = 0;
    for (const name of syscallNames.split(" ")) {
      const own = numbers[index++] ?? -1;
      if (own >= 0 && !names.has(own)) names.set(own, name);
    }
    namesByTable.set(architecture.table, names);
  }
  return names.get(number);
}
