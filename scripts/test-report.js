// What vitest's JSON report says, and whether the skips in it are those that are known.
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const repository = dirname(dirname(fileURLToPath(import.meta.url)));
const skipsPath = join(repository, "test-e2e/skips.json");
const noReason = "no reason given";

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
        const reason = test.meta?.skipReason ?? noReason;
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

/** Reasons that stand in the test itself: which runtimes have a feature, and whose test it is. */
const ownReasons = /^(?:(?:runlet|runc|crun) does not have it|needs root|needs an ordinary user)$/;

function hostReasons(report) {
  return [...report.skipReasons.keys()].filter((reason) => !ownReasons.test(reason)).sort();
}

/**
 * Every test that is skipped has a reason, and for this kind of machine test-e2e/skips.json has each reason that lies in the
 * machine: so that a test that stops running, for a program that is gone or a kernel that cannot, is somebody's decision. A
 * machine that has more skips less, which is no fault; a kind that the file does not list is held to nothing.
 */
export function checkSkips(report, environment) {
  const complaints = [];
  const unexplained = report.skipReasons.get(noReason) ?? 0;
  if (unexplained > 0) complaints.push(`${unexplained} tests are skipped without a reason`);
  const accepted = JSON.parse(readFileSync(skipsPath, "utf8"))[environment];
  if (accepted === undefined) return complaints;
  for (const reason of hostReasons(report)) {
    if (reason === noReason || accepted.includes(reason)) continue;
    const count = report.skipReasons.get(reason);
    complaints.push(
      `${count} skipped as nobody has accepted for "${environment}" in test-e2e/skips.json: ${JSON.stringify(reason)}`,
    );
  }
  return complaints;
}

/** Accepts the reasons of a report, and no others, for this kind of machine. */
export function acceptSkips(report, environment) {
  const skips = { ...JSON.parse(readFileSync(skipsPath, "utf8")), [environment]: hostReasons(report) };
  const sorted = Object.fromEntries(Object.entries(skips).sort(([a], [b]) => (a < b ? -1 : 1)));
  writeFileSync(skipsPath, `${JSON.stringify(sorted, null, 2)}\n`);
}
