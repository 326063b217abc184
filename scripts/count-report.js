// Prints passed, failed and skipped of a vitest JSON report, for .ci/run; complains about skips that nobody decided on.
// `node scripts/count-report.js [--accept] REPORT RUNTIME [ENVIRONMENT]`: the environment is this machine's when it is not
// given; --accept writes the reasons of the skips into test-e2e/skips.json, which is to decide on them.
import { acceptSkips, checkSkips, environmentName, readReport } from "./test-report.js";

const args = process.argv.slice(2);
const accepts = args[0] === "--accept" && args.shift() !== undefined;
const [path, runtime, environment = environmentName(runtime)] = args;
const report = readReport(path);
if (accepts) acceptSkips(report, environment);
const complaints = checkSkips(report, environment);
for (const complaint of complaints) process.stderr.write(`${complaint}\n`);
for (const [reason, count] of report.skipReasons) process.stderr.write(`  ${count} skipped: ${reason}\n`);
process.stdout.write(`${report.passed} ${report.failed + complaints.length} ${report.skipped}\n`);
