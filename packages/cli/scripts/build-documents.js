// Writes the manual pages and the shells' completion scripts to dist/, from the table of commands as it was compiled.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { formatCompletion, manualPages } from "../dist/index.js";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));

function write(directory, name, text) {
  mkdirSync(join(root, "dist", directory), { recursive: true });
  writeFileSync(join(root, "dist", directory, name), text);
}

for (const [name, page] of manualPages(version)) write("man", name, page);
write("completions", "runlet.bash", formatCompletion("bash", "runlet"));
write("completions", "_runlet", formatCompletion("zsh", "runlet"));
write("completions", "runlet.fish", formatCompletion("fish", "runlet"));
