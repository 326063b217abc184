// `npm test`: the unit, root and end-to-end tests as root; as an ordinary user those that a user may run, saying what is
// left out. Arguments go to vitest. `--summary FILE` writes the counts, for .ci/run.
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { checkSkips, environmentName, readReport } from "./test-report.js";

const repository = dirname(dirname(fileURLToPath(import.meta.url)));
const args = process.argv.slice(2);
const summaryIndex = args.indexOf("--summary");
const summaryPath = summaryIndex === -1 ? undefined : args.splice(summaryIndex, 2)[1];

const isRoot = process.getuid() === 0;
const projects = isRoot ? ["unit", "root", "e2e"] : ["unit", "e2e"];
if (!isRoot) {
  process.stdout.write(
    "runlet: you are not root. The unit tests run in full, and of the end-to-end tests those of rootless containers; the\n" +
      "        rest, and the tests of the packages that need root, are left out: they make namespaces, mounts and control\n" +
      "        groups of the whole machine. `sudo npm test` runs everything.\n",
  );
}

const directory = mkdtempSync(join(tmpdir(), "runlet-test-"));
const reportPath = join(directory, "report.json");
const result = spawnSync(
  join(repository, "node_modules/.bin/vitest"),
  [
    "run",
    ...projects.flatMap((project) => ["--project", project]),
    "--reporter=dot",
    "--reporter=json",
    `--outputFile.json=${reportPath}`,
    ...args,
  ],
  { cwd: repository, stdio: "inherit" },
);
let status = result.status ?? 1;
if (existsSync(reportPath)) {
  const report = readReport(reportPath);
  for (const [reason, count] of report.skipReasons) process.stdout.write(`  ${count} skipped: ${reason}\n`);
  // A run of a part, which arguments ask for, has not all the skips.
  if (args.length === 0) {
    const complaints = checkSkips(report, environmentName(process.env.RUNTIME ?? "runlet"));
    for (const complaint of complaints) process.stderr.write(`runlet: ${complaint}\n`);
    report.failed += complaints.length;
    if (complaints.length > 0) status ||= 1;
  }
  process.stdout.write(`${report.passed} passed, ${report.failed} failed, ${report.skipped} skipped\n`);
  if (summaryPath !== undefined) writeFileSync(summaryPath, `${report.passed} ${report.failed} ${report.skipped}\n`);
} else {
  process.stderr.write("runlet: vitest wrote no report\n");
  if (summaryPath !== undefined) writeFileSync(summaryPath, "0 1 0\n");
  status ||= 1;
}
rmSync(directory, { recursive: true, force: true });
process.exitCode = status;
