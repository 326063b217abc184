import { formatError, formatErrorLine } from "@runlet/errors";
import { goQuote } from "./go-quote.ts";

/** Levels of a log line, the most important first. */
export const levels = ["error", "warning", "info", "debug"] as const;
/** One of {@link levels}. */
export type Level = (typeof levels)[number];

const shortNames: Readonly<Record<Level, string>> = { error: "ERRO", warning: "WARN", info: "INFO", debug: "DEBU" };
/** Red, yellow, cyan and white, as logrus has them. @see ECMA-48, SGR */
const colours: Readonly<Record<Level, string>> = { error: "31", warning: "33", info: "36", debug: "37" };

/** Where log lines go, and how they look. */
export interface LogOptions {
  readonly format: "text" | "json";
  /** The least important level that is written. */
  readonly level: Level;
  /** Appends to the log file; undefined when there is none and lines go to standard error. */
  readonly appendToFile: ((text: string) => void) | undefined;
  /** Writes text and a newline to standard error. */
  readonly printError: (text: string) => void;
  /** Whether a person reads standard error. Asked only when there is something to write. */
  readonly isTerminal: () => boolean;
  readonly hasColours: boolean;
  /** The current time; for tests. */
  readonly now?: () => Date;
}

/**
 * The program's log: lines for programs, in the formats of runc's (those of the Go library logrus, which engines parse), or
 * on a terminal a short form for people.
 */
export class Log {
  readonly #options: LogOptions;
  readonly #startMs: number;

  constructor(options: LogOptions) {
    this.#options = options;
    this.#startMs = this.#now().getTime();
  }

  /** Logs what is of interest only when something is looked for. */
  debug(message: string): void {
    this.#write("debug", message, message);
  }

  /** Logs what is worth saying, but no failure. */
  warn(message: string): void {
    this.#write("warning", message, message);
  }

  /**
   * Logs why the program fails. With a log file, standard error gets it too.
   *
   * @param prefix - put before the message, e.g. `exec failed: `.
   */
  error(error: unknown, prefix = ""): void {
    const line = prefix + formatErrorLine(error);
    this.#write("error", line, prefix + formatError(error));
    if (this.#options.appendToFile !== undefined) {
      this.#options.printError(this.#options.isTerminal() ? prefix + formatError(error) : line);
    }
  }

  #write(level: Level, line: string, explanation: string): void {
    const { format, appendToFile, printError, isTerminal, hasColours } = this.#options;
    if (levels.indexOf(level) > levels.indexOf(this.#options.level)) return;
    const now = this.#now();
    if (appendToFile === undefined && format === "text" && isTerminal()) {
      const seconds = Math.floor((now.getTime() - this.#startMs) / 1000);
      const name = hasColours ? `\u001b[${colours[level]}m${shortNames[level]}\u001b[0m` : shortNames[level];
      printError(`${name}[${String(seconds).padStart(4, "0")}] ${explanation}`);
      return;
    }
    const text = formatLine({ format, level, message: line, time: now });
    if (appendToFile === undefined) printError(text);
    else appendToFile(`${text}\n`);
  }

  #now(): Date {
    return this.#options.now?.() ?? new Date();
  }
}

/** A log line as engines read it, without the newline. */
function formatLine(line: { format: "text" | "json"; level: Level; message: string; time: Date }): string {
  const time = `${line.time.toISOString().slice(0, 19)}Z`;
  return line.format === "json"
    ? JSON.stringify({ level: line.level, msg: line.message, time })
    : `time="${time}" level=${line.level} msg=${goQuote(line.message)}`;
}
