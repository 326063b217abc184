// Prints passed, failed and skipped of a vitest JSON report, for .ci/run; complains about skips that nobody decided on.
// `node scripts/count-report.js REPORT RUNTIME`
import { checkSkips, readReport } from "./test-report.js";

const [path, runtime] = process.argv.slice(2);
const report = readReport(path);
const complaints = checkSkips(report, runtime);
for (const complaint of complaints) process.stderr.write(`${complaint}\n`);
for (const [reason, count] of report.skipReasons) process.stderr.write(`  ${count} skipped: ${reason}\n`);
process.stdout.write(`${report.passed} ${report.failed + complaints.length} ${report.skipped}\n`);
