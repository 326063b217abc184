import { isRunletError } from "@runlet/errors";
import { neverCompleted, notFound } from "./container-errors.ts";
import type { StateDirectory } from "./state-directory.ts";
import type { StateRecord } from "./state-record.ts";

/**
 * The record of one container. Another process may change it, may delete the container, and may make one of the same name,
 * which is not this one.
 */
export class ContainerRecord {
  readonly #directory: StateDirectory;
  #last: StateRecord | null;

  /** @param last - the record as far as it is known; null when there was none. */
  constructor(directory: StateDirectory, last: StateRecord | null) {
    this.#directory = directory;
    this.#last = last;
  }

  /** As it was when it was read last; null when there was none. */
  get last(): StateRecord | null {
    return this.#last;
  }

  /**
   * The record as it is now.
   *
   * @throws RunletError `ERR_RUNLET_NOT_FOUND`; `ERR_RUNLET_STATE` when the container was never completed, or its record is
   *   damaged.
   */
  read(): StateRecord {
    const record = this.#read();
    if (record !== null) return record;
    throw neverCompleted(this.#directory.id);
  }

  /**
   * The same for a deletion, which is possible without.
   *
   * @param bearsDamage - whether a record that is damaged is as good as none; what was known before holds then.
   * @returns null when the creation ended before there was a record.
   */
  readIfThere(bearsDamage: boolean): StateRecord | null {
    try {
      return this.#read();
    } catch (error) {
      if (bearsDamage && isRunletError(error) && error.code === "ERR_RUNLET_STATE") return this.#last;
      throw error;
    }
  }

  #read(): StateRecord | null {
    const record = this.#directory.read();
    if (this.#last !== null && record !== null && !isSame(record, this.#last)) throw notFound(this.#directory.id);
    this.#last = record ?? this.#last;
    return record;
  }
}

/** Whether two records are of one container; of one that was being made, the earlier names no process. */
function isSame(one: StateRecord, other: StateRecord): boolean {
  const { init_process_pid: pid } = one;
  const isSameProcess = pid === other.init_process_pid && one.init_process_start === other.init_process_start;
  return one.created === other.created && (isSameProcess || pid === 0 || other.init_process_pid === 0);
}
