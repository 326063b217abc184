import type { Cgroup } from "@runlet/cgroups";
import {
  type CompileCgroup,
  type CompileOptions,
  type ContainerName,
  compile,
  type Plan,
  renamePlan,
} from "@runlet/plan";
import type { Spec } from "@runlet/spec";
import type { LoadedConfig } from "./config.ts";
import { hostFacts } from "./host.ts";
import { compileIntelRdt, intelRdtGroup } from "./intel-rdt.ts";

/** What a plan is compiled from. */
export interface CompilationRequest {
  readonly id: string;
  readonly loaded: Pick<LoadedConfig, "spec" | "bundleHostPath" | "isShared">;
  readonly cgroup: Cgroup | null;
  readonly options: Pick<CompileOptions, "noPivot" | "noNewKeyring" | "preserveFds">;
}

/** A compiled plan, and what of its request others have to share to be spared the compiler. */
interface Compilation {
  readonly spec: Spec;
  readonly key: string;
  readonly name: ContainerName;
  readonly plan: Plan;
}

/**
 * Compiles the plans of one runtime's containers. The last one is remembered, since programs start many containers of one
 * bundle in a row, whose plans differ in the container's name alone.
 */
export class PlanCompiler {
  #last: Compilation | null = null;

  /** @throws RunletError as `compile` of `@runlet/plan`. */
  compile(request: CompilationRequest): Plan {
    const { spec, isShared } = request.loaded;
    const key = keyOf(request);
    const last = this.#last;
    if (last !== null && last.spec === spec && last.key === key) {
      const renamed = rename(last, request);
      if (renamed !== null) return renamed;
    }
    const compilation = compileWhole(request, key);
    // A config that the caller has in hands may be another one next time.
    if (isShared) this.#last = compilation;
    return compilation.plan;
  }
}

function keyOf({ loaded, cgroup, options }: CompilationRequest): string {
  const { noPivot = false, noNewKeyring = false, preserveFds = 0 } = options;
  return `${noPivot} ${noNewKeyring} ${preserveFds} ${cgroup?.driver ?? ""} ${loaded.bundleHostPath}`;
}

function rename({ plan, spec, name: from }: Compilation, { id, cgroup }: CompilationRequest): Plan | null {
  const to = { id, cgroup: cgroup === null ? null : compileCgroup(cgroup, from.cgroup?.writes ?? []) };
  return renamePlan(plan, spec, { from, to });
}

function compileWhole({ id, loaded, cgroup, options }: CompilationRequest, key: string): Compilation {
  const { spec, bundleHostPath } = loaded;
  const { noPivot = false, noNewKeyring = false, preserveFds = 0 } = options;
  const name: ContainerName = {
    id,
    cgroup: cgroup === null ? null : compileCgroup(cgroup, cgroup.plan(spec.linux?.resources)),
  };
  const plan = compile(spec, hostFacts(), {
    ...name,
    bundleHostPath,
    intelRdt: compileIntelRdt(intelRdtGroup(id, spec)),
    noPivot,
    noNewKeyring,
    preserveFds,
  });
  return { spec, key, name, plan };
}

function compileCgroup(cgroup: Cgroup, writes: CompileCgroup["writes"]): CompileCgroup | null {
  const { driver, path, controllers, hostPaths } = cgroup;
  return driver === "disabled" ? null : { driver, path, writes, controllers, hostPaths };
}
