import { signalName } from "@runlet/lifecycle";

/** The last signal that has a name of its own; realtime signals follow. @see signal(7) */
const lastNamedSignal = 31;

/** Names of all signals but the realtime ones, in the order of their numbers. */
export const signalNames: readonly string[] = Array.from({ length: lastNamedSignal }, (_, index) =>
  signalName(index + 1),
);
