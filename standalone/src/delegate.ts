import { dirname, join } from "node:path";
import { executeInstead, invocation } from "runlet:system";
import { errnoMessage, errnoName, RunletError } from "@runlet/errors";

/**
 * Hands the whole command line to the executable beside this one, which has what this one leaves out: registries, archives,
 * compression, CRIU. It takes this one's place in its process.
 *
 * @throws RunletError `ERR_RUNLET_HOST` when there is none.
 */
function delegate(): never {
  const hostPath = join(dirname(invocation().execPath), "runlet-bun");
  const errno = errnoName(-executeInstead(hostPath));
  throw new RunletError("ERR_RUNLET_HOST", `${hostPath}, which carries this command out: ${errnoMessage(errno)}`, {
    syscall: "execve",
    errno,
    hint: "containers of bundles do without it; images, archives and checkpoints need it beside runlet",
  });
}

export { delegate as lazyImages, delegate as readImageRequest, delegate as removeBundle, delegate as run };
