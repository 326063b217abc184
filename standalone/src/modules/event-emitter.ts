/** Node's, as far as the command uses it. */
export class EventEmitter<Events extends Record<string, unknown[]>> {
  readonly #listeners: { [Name in keyof Events]?: ((...args: Events[Name]) => void)[] } = {};

  on<Name extends keyof Events>(name: Name, listener: (...args: Events[Name]) => void): this {
    this.#listeners[name] = [...(this.#listeners[name] ?? []), listener];
    return this;
  }

  once<Name extends keyof Events>(name: Name, listener: (...args: Events[Name]) => void): this {
    const first = (...args: Events[Name]) => {
      this.#listeners[name] = this.#listeners[name]?.filter((other) => other !== first);
      listener(...args);
    };
    return this.on(name, first);
  }

  /** @throws an error that nobody listens for. */
  emit<Name extends keyof Events>(name: Name, ...args: Events[Name]): void {
    const listeners = this.#listeners[name] ?? [];
    if (listeners.length === 0 && name === "error") throw args[0];
    for (const listener of listeners) listener(...args);
  }
}
