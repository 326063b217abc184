import { errnoMessage } from "./errno.ts";
import { isRunletError, type RunletError } from "./error.ts";

/**
 * The error as a person reads it, in one to three lines: what failed and where in the config; the system call and its
 * errno; what to do.
 */
export function formatError(error: unknown): string {
  if (!isRunletError(error)) return error instanceof Error ? error.message : String(error);
  const lines = [headline(error)];
  const technical = systemCall(error);
  if (technical !== undefined) lines.push(`  ${technical}`);
  if (error.hint !== undefined) lines.push(`  hint: ${error.hint}`);
  return lines.join("\n");
}

/** The same facts on one line, for logs that programs read. */
export function formatErrorLine(error: unknown): string {
  if (!isRunletError(error)) return (error instanceof Error ? error.message : String(error)).replaceAll("\n", " ");
  const technical = systemCall(error);
  return [
    headline(error),
    ...(technical === undefined ? [] : [`: ${technical}`]),
    ...(error.hint === undefined ? [] : [` (hint: ${error.hint})`]),
  ]
    .join("")
    .replaceAll("\n", " ");
}

function headline(error: RunletError): string {
  const { pointer, document = "config.json", message } = error;
  return pointer === undefined ? message : `${document} ${pointer || "/"}: ${message}`;
}

function systemCall({ errno, syscall, explanation, message }: RunletError): string | undefined {
  if (errno === undefined) return explanation;
  const call = syscall === undefined ? errno : `${syscall}(2): ${errno}`;
  const words = explanation ?? errnoMessage(errno);
  // Engines search messages for the kernel's words, so many end with them.
  return message.endsWith(words) ? call : `${call} — ${words}`;
}
