export { helperHostPath } from "./binding.ts";
