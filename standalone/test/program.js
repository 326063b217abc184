// Shows what a program sees of one subject: Node and the engine must show the same.
import { writeSync } from "node:fs";
import { abort } from "./subjects/abort.js";
import { buffer } from "./subjects/buffer.js";
import { child } from "./subjects/child.js";
import { file } from "./subjects/file.js";
import { chance, host, ignored, missing } from "./subjects/host.js";
import { language } from "./subjects/language.js";
import { path } from "./subjects/path.js";
import { text } from "./subjects/text.js";
import { timer } from "./subjects/timer.js";

const subjects = { abort, buffer, chance, child, file, host, ignored, language, missing, path, text, timer };

/** One line: a name and what was seen, in which what JSON does not tell apart is told apart. */
function show(name, ...values) {
  writeSync(1, `${name}: ${values.map((value) => JSON.stringify(value, plain) ?? String(value)).join(" ")}\n`);
}

function plain(key, value) {
  // Before a method of its own has made something else of it.
  const seen = this[key];
  if (seen instanceof Uint8Array) {
    return { [seen instanceof Buffer ? "Buffer" : "Uint8Array"]: Array.from(seen).join(" ") };
  }
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value === "symbol") return String(value);
  if (typeof value === "function") return `function ${value.name}`;
  if (Object.is(value, -0)) return "-0";
  if (typeof value === "number" && !Number.isFinite(value)) return String(value);
  return value;
}

/** What a call returns or throws. */
function tryTo(name, call) {
  try {
    show(name, call());
  } catch (error) {
    show(name, "throws", error.name, error.message, { ...error });
  }
}

/** Numbers that look random, the same ones each time. */
function makeRandom(seed) {
  let state = seed;
  return (limit) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
}

const [, , name = "", directory = ""] = process.argv;
subjects[name]({ show, tryTo, makeRandom, directory }).catch((error) => {
  writeSync(2, `${error.stack}\n`);
  process.exit(1);
});
