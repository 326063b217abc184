// What vitest's JSON report says, and whether the skips in it are those that are known.
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const repository = dirname(dirname(fileURLToPath(import.meta.url)));
const skipsPath = join(repository, "test-e2e/skips.json");

/** Counts, and how many tests were skipped for which reason. A file that could not be loaded is a failure. */
export function readReport(path) {
  const report = JSON.parse(readFileSync(path, "utf8"));
  const counts = { passed: 0, failed: 0, skipped: 0, skipReasons: new Map() };
  for (const file of report.testResults) {
    if (file.assertionResults.length === 0 && file.status === "failed") counts.failed++;
    for (const test of file.assertionResults) {
      if (test.status === "passed") counts.passed++;
      else if (test.status === "failed") counts.failed++;
      else {
        counts.skipped++;
        const reason = test.meta?.skipReason ?? "no reason given";
        counts.skipReasons.set(reason, (counts.skipReasons.get(reason) ?? 0) + 1);
      }
    }
  }
  // A suite's afterAll can fail when all of its tests passed.
  const failedSuites = report.testResults.filter(
    (file) =>
      file.status === "failed" &&
      file.assertionResults.length > 0 &&
      file.assertionResults.every((test) => test.status !== "failed"),
  );
  counts.failed += failedSuites.length;
  return counts;
}

/** The name of this kind of machine in test-e2e/skips.json. */
export function environmentName(runtime) {
  const mounts = readFileSync("/proc/self/mounts", "utf8");
  const unified = /^\S+ (\S+) cgroup2 /m.exec(mounts)?.[1];
  const layout =
    unified === "/sys/fs/cgroup"
      ? "v2"
      : / cgroup \S*memory/.test(mounts)
        ? unified === undefined
          ? "v1"
          : "hybrid"
        : "none";
  const name = runtime.includes("/") ? "standalone" : runtime;
  return [name, process.getuid() === 0 ? "root" : "user", layout].join(" ");
}

/**
 * Every test that is skipped has a reason, and as many are skipped as test-e2e/skips.json says for this kind of machine: so
 * that a new skip is somebody's decision. A kind that the file does not list is not held to a number.
 */
export function checkSkips(report, environment) {
  const complaints = [];
  const unexplained = report.skipReasons.get("no reason given") ?? 0;
  if (unexplained > 0) complaints.push(`${unexplained} tests are skipped without a reason`);
  const expected = JSON.parse(readFileSync(skipsPath, "utf8"))[environment];
  if (expected !== undefined && expected !== report.skipped) {
    complaints.push(
      `${report.skipped} tests are skipped, and test-e2e/skips.json says ${expected} for "${environment}"`,
    );
  }
  return complaints;
}

/** Writes down how many tests are skipped on this kind of machine. */
export function acceptSkips(report, environment) {
  const skips = { ...JSON.parse(readFileSync(skipsPath, "utf8")), [environment]: report.skipped };
  const sorted = Object.fromEntries(Object.entries(skips).sort(([a], [b]) => (a < b ? -1 : 1)));
  writeFileSync(skipsPath, `${JSON.stringify(sorted, null, 2)}\n`);
}
