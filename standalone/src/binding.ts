import { dirname, join } from "node:path";
import { addon, invocation } from "runlet:system";

/** The addon's functions, which are part of this executable. */
export type Binding = Readonly<Record<string, (...args: never[]) => unknown>>;

let loaded: Binding | undefined;

/** The addon, typed by the caller. */
export function binding<Part>(): Part {
  loaded ??= addon() as Binding;
  return loaded as Part;
}

/** Host path of the static init helper, beside this executable. */
export function helperHostPath(): string {
  return join(dirname(invocation().execPath), "runlet-init");
}
