export { type ErrorCode, errorCodes } from "./codes.ts";
export { type ErrnoName, errno, errnoMessage, errnoName } from "./errno.ts";
export { type ErrorDetails, isRunletError, quote, RunletError, SyscallError } from "./error.ts";
export { formatError, formatErrorLine } from "./format.ts";
