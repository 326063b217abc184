import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";

/** Mistakes of QuickJS 2021-03-27 that the command runs into: what stands there exactly once, and what must stand there. */
const corrections = {
  "quickjs.c": [
    {
      // A Map finds 5 only as the engine happened to hold it: as an integer, or as what Number(5n) or an element of a
      // Float64Array is.
      from: `    case JS_TAG_FLOAT64:
        d = JS_VALUE_GET_FLOAT64(key);
        /* normalize the NaN */`,
      to: `    case JS_TAG_FLOAT64:
        d = JS_VALUE_GET_FLOAT64(key);
        if (d >= INT32_MIN && d <= INT32_MAX && d == (int32_t)d) {
            d = (int32_t)d * 3163;
            tag = JS_TAG_INT;
            goto hash_float64;
        }
        /* normalize the NaN */`,
    },
  ],
};

/**
 * Corrects a source of QuickJS's.
 *
 * @param {string} source - its path.
 * @param {string} directory - where the corrected one is written to.
 * @returns {string} the path of the corrected one, or `source` where nothing is wrong.
 */
export function correct(source, directory) {
  const name = basename(source);
  const changes = corrections[name];
  if (changes === undefined) return source;
  let text = readFileSync(source, "utf8");
  for (const { from, to } of changes) {
    const parts = text.split(from);
    if (parts.length !== 2) throw new Error(`${name} is not the one that was corrected: ${from}`);
    text = parts.join(to);
  }
  mkdirSync(directory, { recursive: true });
  const target = join(directory, name);
  const temporary = `${target}.${process.pid}`;
  writeFileSync(temporary, text);
  renameSync(temporary, target);
  return target;
}
