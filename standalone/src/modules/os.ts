/** node:os, as far as the command uses it. */

import { kernelRelease, userName } from "runlet:system";
import { systemError } from "./system-error.ts";

export function release(): string {
  const name = kernelRelease();
  if (typeof name === "number") throw systemError(name, "uv_os_uname");
  return name;
}

/** Of the effective user. @throws an error in Node's shape when no name service knows it. */
export function userInfo(): { username: string } {
  const username = userName();
  if (typeof username === "number") throw systemError(username, "uv_os_get_passwd");
  return { username };
}
