/** How Go's tabwriter is set for runc's `list`, which scripts read by columns. */
const minimumWidth = 12;
const padding = 3;

/**
 * Aligns rows in columns: each column as wide as its longest cell and three blanks, but at least twelve characters; the
 * last one is not padded.
 *
 * @see https://pkg.go.dev/text/tabwriter
 */
export function formatTable(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [column, cell] of row.entries()) {
      widths[column] = Math.max(widths[column] ?? minimumWidth, length(cell) + padding);
    }
  }
  return rows
    .map((row) =>
      row
        .map((cell, column) => (column === row.length - 1 ? cell : pad(cell, widths[column] ?? minimumWidth)))
        .join(""),
    )
    .join("\n");
}

/** In characters, as tabwriter counts: a surrogate pair is one. */
function length(cell: string): number {
  return [...cell].length;
}

function pad(cell: string, width: number): string {
  return cell + " ".repeat(width - length(cell));
}
