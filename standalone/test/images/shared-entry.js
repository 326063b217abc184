import { writeSync } from "node:fs";
import { next } from "./shared.js";

const first = next();
void import("./lazy.js").then(({ later }) => writeSync(1, `${first} ${later()}\n`));
