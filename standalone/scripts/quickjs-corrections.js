import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";

/**
 * What of QuickJS 2021-03-27 is wrong and the command runs into, or keeps its memory from being an image: what stands there
 * exactly once, and what must stand there.
 */
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
    {
      // Where the stack has no limit, as in an image, nobody asks where it is.
      from: "    rt->stack_top = js_get_stack_pointer();",
      to: "    rt->stack_top = rt->stack_size == 0 ? 0 : js_get_stack_pointer();",
    },
    {
      // src/globals/language.ts has another Math.random.
      from: "    ctx->random_state = ((int64_t)tv.tv_sec * 1000000) + tv.tv_usec;",
      to: "    ctx->random_state = 1;",
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
