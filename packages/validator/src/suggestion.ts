/**
 * Finds the name that was likely meant.
 *
 * @returns the nearest of `names`: it may differ in case, or by a third of its letters, or be the whole of a word of which
 *   the beginning was written. Undefined when none is near.
 */
export function nearest(name: string, names: Iterable<string>): string | undefined {
  const wanted = name.toLowerCase();
  let found: string | undefined;
  let distance = Math.max(1, Math.floor(name.length / 3)) + 1;
  let completion: string | undefined;
  for (const candidate of names) {
    if (wanted.length > 2 && candidate.toLowerCase().startsWith(wanted)) completion ??= candidate;
    if (Math.abs(candidate.length - name.length) >= distance) continue;
    const candidateDistance = editDistance(wanted, candidate.toLowerCase(), distance);
    if (candidateDistance < distance) {
      distance = candidateDistance;
      found = candidate;
    }
  }
  return found ?? completion;
}

/**
 * The Damerau-Levenshtein distance (insert, remove, replace, swap neighbours) of two words.
 *
 * @param limit - distances from here on need not be told apart.
 */
export function editDistance(left: string, right: string, limit = Number.POSITIVE_INFINITY): number {
  let beforePrevious: number[] = [];
  let previous = Array.from({ length: right.length + 1 }, (_, index) => index);
  for (let i = 1; i <= left.length; i++) {
    const current = [i];
    for (let j = 1; j <= right.length; j++) {
      const same = left[i - 1] === right[j - 1];
      let least = Math.min((previous[j] ?? 0) + 1, (current[j - 1] ?? 0) + 1, (previous[j - 1] ?? 0) + (same ? 0 : 1));
      if (i > 1 && j > 1 && left[i - 1] === right[j - 2] && left[i - 2] === right[j - 1]) {
        least = Math.min(least, (beforePrevious[j - 2] ?? 0) + 1);
      }
      current.push(least);
    }
    if (Math.min(...current) >= limit) return limit;
    beforePrevious = previous;
    previous = current;
  }
  return previous[right.length] ?? 0;
}
