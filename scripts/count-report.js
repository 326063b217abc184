// Prints passed, failed and skipped of a vitest JSON report, for .ci/run; complains about skips that nobody decided on.
// `node scripts/count-report.js REPORT RUNTIME [ENVIRONMENT]`: the environment is this machine's when it is not given.
import { checkSkips, environmentName, readReport } from "./test-report.js";

const [path, runtime, environment = environmentName(runtime)] = process.argv.slice(2);
const report = readReport(path);
const complaints = checkSkips(report, environment);
for (const complaint of complaints) process.stderr.write(`${complaint}\n`);
for (const [reason, count] of report.skipReasons) process.stderr.write(`  ${count} skipped: ${reason}\n`);
process.stdout.write(`${report.passed} ${report.failed + complaints.length} ${report.skipped}\n`);
