type Listener = () => void;

/** What `addEventListener` of an {@link AbortSignal} may be told: `abort` is the only event that there is. */
interface ListenerOptions {
  readonly once?: boolean;
}

/** An error with one of the names of DOMException. */
function namedError(name: string, message: string): Error {
  const error = new Error(message);
  Object.defineProperty(error, "name", { value: name, configurable: true, writable: true });
  return error;
}

/** Aborts a signal; set by its class, which lets nobody else. */
let abortSignal: (signal: AbortSignal, reason: unknown) => void;

/** As the DOM Standard has it, without the rest of EventTarget. */
export class AbortSignal {
  #aborted = false;
  #reason: unknown;
  /** In the order in which they were added. */
  readonly #listeners = new Map<Listener, ListenerOptions>();

  /** A signal that is aborted already. */
  static abort(reason: unknown = namedError("AbortError", "This operation was aborted")): AbortSignal {
    const signal = new AbortSignal();
    abortSignal(signal, reason);
    return signal;
  }

  /** A signal that is aborted when the time is over. It does not keep the program alive. */
  static timeout(delayMs: number): AbortSignal {
    const signal = new AbortSignal();
    const reason = () => namedError("TimeoutError", "The operation was aborted due to timeout");
    setTimeout(() => abortSignal(signal, reason()), delayMs).unref();
    return signal;
  }

  get aborted(): boolean {
    return this.#aborted;
  }

  get reason(): unknown {
    return this.#reason;
  }

  throwIfAborted(): void {
    if (this.#aborted) throw this.#reason;
  }

  addEventListener(_event: "abort", listener: Listener, options: ListenerOptions = {}): void {
    if (!this.#listeners.has(listener)) this.#listeners.set(listener, options);
  }

  removeEventListener(_event: "abort", listener: Listener): void {
    this.#listeners.delete(listener);
  }

  #abort(reason: unknown): void {
    if (this.#aborted) return;
    this.#aborted = true;
    this.#reason = reason;
    for (const [listener, { once }] of [...this.#listeners]) {
      // Another listener may have removed it.
      if (!this.#listeners.has(listener)) continue;
      if (once) this.#listeners.delete(listener);
      listener();
    }
  }

  /** Hands over the right to abort. */
  static share(): (signal: AbortSignal, reason: unknown) => void {
    return (signal, reason) => signal.#abort(reason);
  }
}
abortSignal = AbortSignal.share();

export class AbortController {
  readonly signal = new AbortSignal();

  abort(reason: unknown = namedError("AbortError", "This operation was aborted")): void {
    abortSignal(this.signal, reason);
  }
}
