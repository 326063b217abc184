/** What the command uses of the language that QuickJS 2021-03-27 does not have. Loaded before any other module. */

import { random } from "runlet:system";

/** Adds a method as the engine's own are: not enumerable. */
function define(target: object, name: PropertyKey, value: unknown): void {
  Object.defineProperty(target, name, { value, configurable: true, writable: true });
}

type Predicate<Item> = (item: Item, index: number, items: ArrayLike<Item>) => unknown;

function at<Item>(this: ArrayLike<Item>, index: number): Item | undefined {
  const integer = Math.trunc(index) || 0;
  return this[integer < 0 ? this.length + integer : integer];
}

function findLastIndex<Item>(this: ArrayLike<Item>, predicate: Predicate<Item>, self?: unknown): number {
  for (let index = this.length - 1; index >= 0; index--) {
    if (predicate.call(self, this[index] as Item, index, this)) return index;
  }
  return -1;
}

function findLast<Item>(this: ArrayLike<Item>, predicate: Predicate<Item>, self?: unknown): Item | undefined {
  return this[findLastIndex.call(this as ArrayLike<unknown>, predicate as Predicate<unknown>, self)];
}

function toReversed<Item>(this: Item[]): Item[] {
  return Array.from(this).reverse();
}

const isOwn = Object.prototype.hasOwnProperty;

/** Not by `isOwn.call`, of which minifiers make a call of Object.hasOwn. */
function hasOwn(object: object, key: PropertyKey): boolean {
  return Reflect.apply(isOwn, object, [key]);
}

/** A stack without its last two calls, those of making an error, and without an end of its last line. */
function withoutOurselves(stack = ""): string {
  return stack.slice(stack.indexOf("\n", stack.indexOf("\n") + 1) + 1, -1);
}

/** The engine's own Error, with `cause`, and a stack that begins with what it is the stack of. */
function withCause(NativeError: ErrorConstructor): ErrorConstructor {
  function ErrorWithCause(this: unknown, message?: string, options?: ErrorOptions): Error {
    const error: Error = Reflect.construct(
      NativeError,
      message === undefined ? [] : [message],
      new.target ?? ErrorWithCause,
    );
    if (typeof options === "object" && options !== null && "cause" in options) define(error, "cause", options.cause);
    define(error, "stack", `${error}\n${withoutOurselves(error.stack)}`);
    return error;
  }
  define(ErrorWithCause, "name", "Error");
  Object.defineProperty(ErrorWithCause, "prototype", { value: NativeError.prototype, writable: false });
  define(NativeError.prototype, "constructor", ErrorWithCause);
  for (const Derived of [TypeError, RangeError, SyntaxError, ReferenceError, EvalError, URIError, AggregateError]) {
    Object.setPrototypeOf(Derived, ErrorWithCause);
  }
  return ErrorWithCause as unknown as ErrorConstructor;
}

/** Where `object` has it already, nothing is replaced. */
function complete(object: object, members: Readonly<Record<PropertyKey, unknown>>): void {
  for (const name of Reflect.ownKeys(members)) if (!(name in object)) define(object, name, members[name as string]);
}

complete(Array.prototype, { at, findLast, findLastIndex, toReversed });
complete(Object.getPrototypeOf(Uint8Array.prototype), { at });
complete(String.prototype, { at });
complete(Object, { hasOwn });
complete(Symbol, { dispose: Symbol("Symbol.dispose"), asyncDispose: Symbol("Symbol.asyncDispose") });
define(globalThis, "Error", withCause(Error));
// The engine's own goes on in each process from where it was in the image.
define(Math, "random", random);
