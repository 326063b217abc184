import "../src/globals/index.ts";
import "./program.js";
