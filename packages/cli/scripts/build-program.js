// Writes the program that npm installs as `runlet` to dist/bin/: all packages in one file and a few lazily loaded ones, since
// Node takes longer to find and read two hundred modules than to run them. The addon stays where its package has it.
import { chmodSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "rolldown";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const target = join(root, "dist", "bin");
const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));

rmSync(target, { recursive: true, force: true });
const { output } = await build({
  input: { runlet: join(root, "dist", "main.js") },
  platform: "node",
  transform: { define: { RUNLET_VERSION: JSON.stringify(version) } },
  output: { dir: target, format: "esm", chunkFileNames: "[name]-[hash].js" },
  logLevel: "warn",
});

chmodSync(join(target, "runlet.js"), 0o755);

/** Whose code beside the project's is in the program: their licences want to go with it. */
const manifests = new Set();
for (const { moduleIds = [] } of output) {
  for (const id of moduleIds) {
    const found = /^(.*\/node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(id);
    if (found !== null) manifests.add(join(found[1], "package.json"));
  }
}
const notices = [...manifests].sort().map((path) => {
  const { name, version: itsVersion, license } = createRequire(path)(path);
  return `${name} ${itsVersion} (${license})\n\n${readFileSync(join(dirname(path), "LICENSE"), "utf8").trim()}\n`;
});
if (notices.length > 0) writeFileSync(join(target, "THIRD-PARTY-NOTICES"), notices.join("\n"));
