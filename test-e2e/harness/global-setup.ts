import { compareHostSnapshots, takeHostSnapshot } from "./leaks.ts";
import { compilePrograms } from "./programs.ts";

/**
 * Compiles the tests' programs; and where the run has the host to itself (E2E_EXCLUSIVE=1), fails it when the host is not
 * left as found.
 */
export default function setUp(): () => void {
  compilePrograms();
  if (process.env.E2E_EXCLUSIVE !== "1") return () => undefined;
  const before = takeHostSnapshot();
  return () => {
    const left = compareHostSnapshots(before, takeHostSnapshot());
    if (left.length > 0) throw new Error(`the tests did not leave the host as they found it:\n${left.join("\n")}`);
  };
}
