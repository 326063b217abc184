import { readTextIfExists } from "./cgroup-file.ts";

/** Files of which one write sets the line of one key: of a device, an interface, a resource. */
const keyedFile = /^(io|rdma|misc|net_prio)\.|^blkio\.throttle\.|^blkio\..*_device$/;

/** What a key that the file does not list is set to. A file that is in none of these lists every key. */
const defaults: readonly (readonly [file: RegExp, value: string])[] = [
  [/^io\.max$/, "rbps=max wbps=max riops=max wiops=max"],
  [/^io\.(bfq\.)?weight$/, "default"],
  [/^blkio\./, "0"],
];

/**
 * The value that gives a file of a control group back what it holds, before `value` is written to it.
 *
 * @returns undefined where none does: the file cannot be read, or does not say.
 */
export function previousValue(hostPath: string, file: string, value: string): string | undefined {
  const text = readTextIfExists(`${hostPath}/${file}`);
  if (text === undefined) return undefined;
  if (file === "memory.oom_control") return /^oom_kill_disable (\d)$/m.exec(text)?.[1];
  const [key = "", ...rest] = value.split(" ");
  if (rest.length === 0 || !keyedFile.test(file)) return previousLine(text);
  const line = text.split("\n").find((one) => one.startsWith(`${key} `));
  const unlisted = defaults.find(([pattern]) => pattern.test(file))?.[1];
  return line ?? (unlisted === undefined ? undefined : `${key} ${unlisted}`);
}

/** A keyed file whose default is written without a key shows it with one; an empty list takes a line break. */
function previousLine(text: string): string | undefined {
  if (text === "") return "\n";
  const [first = "", ...others] = text.split("\n");
  const withoutKey = /^default (.*)$/.exec(first)?.[1];
  if (withoutKey !== undefined) return withoutKey;
  return others.length === 0 ? first : undefined;
}
