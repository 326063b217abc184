/** What `src/globals/language.ts` adds to ES2020, and what the engine has of ES2021 beside the files that are named. */

interface SymbolConstructor {
  readonly dispose: unique symbol;
  readonly asyncDispose: unique symbol;
}
interface Disposable {
  [Symbol.dispose](): void;
}
interface AsyncDisposable {
  [Symbol.asyncDispose](): PromiseLike<void>;
}
interface ErrorOptions {
  cause?: unknown;
}
interface Error {
  cause?: unknown;
}
interface ErrorConstructor {
  new (message?: string, options?: ErrorOptions): Error;
}
interface ObjectConstructor {
  hasOwn(object: object, key: PropertyKey): boolean;
}
interface Array<T> {
  at(index: number): T | undefined;
  findLast<Found extends T>(predicate: (item: T, index: number, items: T[]) => item is Found): Found | undefined;
  findLast(predicate: (item: T, index: number, items: T[]) => unknown): T | undefined;
  findLastIndex(predicate: (item: T, index: number, items: T[]) => unknown): number;
  toReversed(): T[];
}
interface ReadonlyArray<T> {
  at(index: number): T | undefined;
  findLast<Found extends T>(
    predicate: (item: T, index: number, items: readonly T[]) => item is Found,
  ): Found | undefined;
  findLast(predicate: (item: T, index: number, items: readonly T[]) => unknown): T | undefined;
  findLastIndex(predicate: (item: T, index: number, items: readonly T[]) => unknown): number;
  toReversed(): T[];
}
interface String {
  at(index: number): string | undefined;
}
interface Uint8Array {
  at(index: number): number | undefined;
}
