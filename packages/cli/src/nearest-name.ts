/**
 * @param name - what was written.
 * @param known - what could have been meant.
 * @returns the closest one that differs in at most a third of its letters, or undefined.
 */
export function nearestName(name: string, known: readonly string[]): string | undefined {
  let best: string | undefined;
  let bestDistance = Number.POSITIVE_INFINITY;
  for (const candidate of known) {
    const distance = editDistance(name, candidate);
    if (distance < bestDistance && distance <= Math.max(1, candidate.length / 3)) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

/** How many letters must be added, removed, replaced or swapped with their neighbour to make one the other. */
function editDistance(left: string, right: string): number {
  let twoRowsUp: number[] = [];
  let rowUp = Array.from({ length: right.length + 1 }, (_, column) => column);
  for (let row = 1; row <= left.length; row++) {
    const current = [row];
    for (let column = 1; column <= right.length; column++) {
      const same = left[row - 1] === right[column - 1];
      let distance = Math.min(
        (rowUp[column] ?? 0) + 1,
        (current[column - 1] ?? 0) + 1,
        (rowUp[column - 1] ?? 0) + (same ? 0 : 1),
      );
      if (row > 1 && column > 1 && left[row - 1] === right[column - 2] && left[row - 2] === right[column - 1]) {
        distance = Math.min(distance, (twoRowsUp[column - 2] ?? 0) + 1);
      }
      current.push(distance);
    }
    twoRowsUp = rowUp;
    rowUp = current;
  }
  return rowUp[right.length] ?? 0;
}
