import type { Progress } from "@runlet/image";

/** Words for the steps, all of one width. */
const words: Readonly<Record<Progress["step"], string>> = {
  resolve: "resolve ",
  download: "download",
  upload: "upload  ",
  unpack: "unpack  ",
  present: "present ",
};

const digestLength = 12;
/** Room for the largest numbers, `1023.9 MiB/1023.9 MiB`. */
const amountWidth = 21;
const leastBar = 10;
const mostBar = 40;
/** A terminal that does not say its size. */
const defaultSize = { rows: 24, columns: 80 };

/**
 * Draws how a transfer goes: a line for each content, those under way before those that are done if there is no room for
 * all, and no line wider than the terminal.
 *
 * @param contents - the last step of each content, in the order of their beginning.
 * @param size - of the terminal; zeros where it is not known.
 */
export function drawProgress(
  contents: readonly Progress[],
  size: { readonly rows: number; readonly columns: number },
): string[] {
  const columns = size.columns > 0 ? size.columns : defaultSize.columns;
  // The last row holds the cursor.
  const room = Math.max(1, (size.rows > 0 ? size.rows : defaultSize.rows) - 1);
  if (contents.length <= room) return contents.map((progress) => drawContent(progress, columns));
  const isDone = ({ doneBytes, totalBytes }: Progress) => doneBytes >= totalBytes;
  const shown = [...contents.filter((progress) => !isDone(progress)), ...contents.filter(isDone)].slice(0, room - 1);
  const lines = contents
    .filter((progress) => shown.includes(progress))
    .map((progress) => drawContent(progress, columns));
  const done = contents.filter(isDone).length;
  return [...lines, `${done} of ${contents.length} done`.slice(0, columns - 1)];
}

function drawContent({ step, digest, doneBytes, totalBytes }: Progress, columns: number): string {
  const name = digest.slice(digest.indexOf(":") + 1, digest.indexOf(":") + 1 + digestLength);
  const amount = `${mebibytes(doneBytes)}/${mebibytes(totalBytes)} MiB`.padStart(amountWidth);
  const start = `${name} ${words[step]} `;
  const barWidth = Math.min(mostBar, columns - start.length - amountWidth - 4);
  const bar = barWidth < leastBar ? "" : `[${drawBar(doneBytes, totalBytes, barWidth)}] `;
  return `${start}${bar}${amount}`.slice(0, columns - 1);
}

function drawBar(doneBytes: number, totalBytes: number, width: number): string {
  const share = totalBytes > 0 ? Math.min(1, doneBytes / totalBytes) : 1;
  const filled = Math.floor(share * width);
  return `${"#".repeat(filled)}${"-".repeat(width - filled)}`;
}

function mebibytes(bytes: number): string {
  return (bytes / 2 ** 20).toFixed(1);
}
