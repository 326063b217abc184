import { isRunletError, type RunletError } from "@runlet/errors";

/** The error that `action` throws. Fails when it throws none, or another. */
export function errorOf(action: () => unknown): RunletError {
  try {
    action();
  } catch (error) {
    if (isRunletError(error)) return error;
    throw error;
  }
  throw new Error("no error was thrown");
}

/** The error with which `promise` rejects. Fails when it does not, or with another. */
export async function rejectionOf(promise: Promise<unknown>): Promise<RunletError> {
  try {
    await promise;
  } catch (error) {
    if (isRunletError(error)) return error;
    throw error;
  }
  throw new Error("no error was thrown");
}
