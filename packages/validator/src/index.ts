export { formatIssue, toRunletError } from "./error.ts";
export type { Issue, Severity } from "./issue.ts";
export { type DuplicateKey, type JsonSyntaxProblem, type ParsedJson, parseJson } from "./json-parser.ts";
export { stringifyJson } from "./json-writer.ts";
export { maximumInList, parseNumberList } from "./number-list.ts";
export { normalizeSysctl } from "./rules/sysctl.ts";
export { defaultMaximumBytes } from "./text.ts";
export {
  type ConfigOptions,
  type ConfigValidation,
  type Validation,
  type ValidationOptions,
  validateConfig,
  validateFeatures,
  validateProcess,
  validateResources,
  validateSpec,
  validateState,
} from "./validate.ts";
