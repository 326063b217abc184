import { compilePrograms } from "../../harness/programs.ts";

/** Compiles the programs that images hold and that tests type through. */
export default function setUp(): void {
  compilePrograms();
}
