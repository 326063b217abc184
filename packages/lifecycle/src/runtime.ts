import { readdirSync } from "node:fs";
import { resolve } from "node:path";
import { type Cgroup, type CgroupManager, cgroupFromState, cgroupManager } from "@runlet/cgroups";
import { errnoMessage, quote, RunletError } from "@runlet/errors";
import type { Plan } from "@runlet/plan";
import type { Spec } from "@runlet/spec";
import { selectAnnotations, warnOfAnnotations } from "./annotations.ts";
import type { RestoreOptions } from "./checkpoint/options.ts";
import { PlanCompiler } from "./compilation.ts";
import { type LoadedConfig, loadConfig } from "./config.ts";
import { Container } from "./container.ts";
import { abortedError } from "./container-errors.ts";
import { checkContainerId } from "./container-id.ts";
import { stateOf, statusOf } from "./container-status.ts";
import { createContainer } from "./create.ts";
import { delegatedLayout } from "./delegation.ts";
import { hostLayout, isHostInUserNamespace } from "./host.ts";
import type { ImageCreateOptions } from "./image-provider.ts";
import { intelRdtGroup } from "./intel-rdt.ts";
import type { ContainerState, CreateOptions, LoadOptions, RuntimeOptions, Warning } from "./options.ts";
import type { ReadinessRelay } from "./readiness-relay.ts";
import type { RunOptions, RunResult } from "./run.ts";
import { forServiceManager, preservedFdCount } from "./service-manager.ts";
import { StateDirectory } from "./state-directory.ts";
import type { StateRecord } from "./state-record.ts";
import { defaultStateRoot, makeStateRoot } from "./state-root.ts";

/** Options of {@link Runtime.plan}. */
export interface PlanOptions {
  readonly bundle: string;
  /** Default `plan`: it stands in the control group's path. */
  readonly id?: string;
  readonly config?: Spec;
  readonly configPath?: string;
  readonly noPivot?: boolean;
  readonly noNewKeyring?: boolean;
  readonly preserveFds?: number;
}

/**
 * Makes and finds the containers of one state root. It holds nothing open and needs no closing; several may share a root,
 * also in different processes.
 */
export class Runtime {
  #root: string | undefined;
  readonly #isDefaultRoot: boolean;
  readonly #options: RuntimeOptions;
  readonly #plans = new PlanCompiler();

  constructor(options: RuntimeOptions = {}) {
    this.#options = options;
    this.#isDefaultRoot = options.root === undefined;
    if (options.root !== undefined) this.#root = resolve(options.root);
  }

  /**
   * Directory of the containers' states. The default one is asked for when it is needed: a plan does without.
   *
   * @throws RunletError `ERR_RUNLET_USAGE` for an ordinary user's without XDG_RUNTIME_DIR.
   */
  get root(): string {
    this.#root ??= defaultStateRoot();
    return this.#root;
  }

  /**
   * Makes a container: everything but its own process, which waits to be executed.
   *
   * @param id - letters, digits, `_`, `+`, `-`, `.`; its name below the state root.
   * @param options - of a bundle, or of an image (`new Runtime({ images })`), whose bundle goes with the container.
   * @returns the container in the state `created`.
   * @throws RunletError; nothing is left behind then.
   */
  async create(id: string, options: CreateOptions | ImageCreateOptions): Promise<Container> {
    checkContainerId(id);
    if (options.signal?.aborted) throw abortedError(options.signal, "creation");
    if (!("image" in options)) return await this.#create(id, options);
    const { createFromImage } = await import("./image-container.ts");
    const stateHostPath = new StateDirectory(this.root, id).hostPath;
    const create = (bundleOptions: CreateOptions) => this.#create(id, bundleOptions);
    return await createFromImage({ id, stateHostPath, options, images: this.#options.images, create });
  }

  /**
   * Runs a container to its end and deletes it, whatever happens.
   *
   * @returns how it ended and, unless `stdio` says otherwise, what it wrote.
   * @throws RunletError as {@link create} and `Container.start`; `ERR_RUNLET_USAGE` for more output than is wanted.
   * @example
   * const { stdout } = await runtime.run({ image: "alpine", args: ["uname", "-a"] });
   */
  async run(options: RunOptions): Promise<RunResult> {
    const { runToEnd, unnamedId } = await import("./run.ts");
    const container = await this.create(
      options.id ?? unnamedId(),
      "image" in options ? { ephemeral: true, ...options } : options,
    );
    try {
      return await runToEnd(container, options);
    } finally {
      await container[Symbol.asyncDispose]();
    }
  }

  async #create(id: string, options: CreateOptions): Promise<Container> {
    const loaded = this.#load(options);
    const { isRootless } = this;
    const cgroup = this.#cgroup(id, loaded.spec, isRootless);
    const directory = new StateDirectory(this.root, id);
    const preserveFds = preservedFdCount(options);
    const spec = forServiceManager(loaded.spec, options, directory.hostPath);
    const compiled = spec === loaded.spec ? loaded : { ...loaded, spec };
    const preserving = preserveFds === (options.preserveFds ?? 0) ? options : { ...options, preserveFds };
    return await createContainer({
      id,
      loaded,
      plan: this.#compile(id, compiled, cgroup, preserving),
      cgroup,
      intelRdt: intelRdtGroup(id, loaded.spec),
      actingAnnotations: selectAnnotations(loaded.spec, this.#options.allowedAnnotations ?? []),
      options: preserving,
      directory,
      isRootless,
      images: this.#options.images,
      warn: this.#warn,
    });
  }

  /**
   * Finds a container that any process has created. One whose record is damaged is found too: it can be deleted.
   *
   * @throws RunletError `ERR_RUNLET_NOT_FOUND`, `ERR_RUNLET_INVALID_ID`.
   */
  async load(id: string, { helperTimeoutMs }: LoadOptions = {}): Promise<Container> {
    checkContainerId(id);
    const directory = new StateDirectory(this.root, id);
    const { allowedAnnotations, images } = this.#options;
    const record = directory.readIfSound();
    return new Container({ directory, record, warn: this.#warn, helperTimeoutMs, allowedAnnotations, images });
  }

  /**
   * Opens the way on which a container that was created with `hasNotifySocket` says that it is ready; before its start.
   *
   * @param notifySocket - where the service manager listens, as NOTIFY_SOCKET has it; see sd_notify(3).
   * @returns null for a container that was created without.
   * @throws RunletError `ERR_RUNLET_USAGE` when nobody listens there.
   */
  async openReadinessRelay(id: string, notifySocket: string): Promise<ReadinessRelay | null> {
    checkContainerId(id);
    const { ReadinessRelay } = await import("./readiness-relay.ts");
    return ReadinessRelay.open(new StateDirectory(this.root, id).hostPath, notifySocket);
  }

  /**
   * Brings a container back that `Container.checkpoint` has saved, under its old id or another one.
   *
   * @returns the container, which runs, or is paused if it was when it was saved.
   * @throws RunletError `ERR_RUNLET_CHECKPOINT` when CRIU is absent or cannot restore it, or when the images say of mounts,
   *   namespaces, control groups or privileges what the config does not; nothing is left behind then.
   */
  async restore(id: string, options: RestoreOptions): Promise<Container> {
    checkContainerId(id);
    if (options.signal?.aborted) throw abortedError(options.signal, "restoring");
    const { restoreContainer } = await import("./checkpoint/restore.ts");
    const loaded = this.#load(options);
    const { isRootless } = this;
    const cgroup = this.#cgroup(id, loaded.spec, isRootless);
    const compile = (spec: Spec) => this.#compile(id, { ...loaded, spec }, cgroup, {});
    makeStateRoot(this.root);
    const directory = new StateDirectory(this.root, id);
    const { allowedAnnotations = [] } = this.#options;
    const warn = this.#warn;
    return await restoreContainer({
      id,
      loaded,
      compile,
      cgroup,
      options,
      directory,
      isRootless,
      allowedAnnotations,
      warn,
    });
  }

  /**
   * The containers of the state root by id. Entries that cannot be read are warned of.
   *
   * @throws RunletError `ERR_RUNLET_USAGE` for a root that was given and is not there.
   */
  async list(): Promise<ContainerState[]> {
    const states: ContainerState[] = [];
    for (const id of this.#ids()) {
      try {
        const directory = new StateDirectory(this.root, id);
        const record = directory.read();
        if (record === null) {
          this.#warn({ message: `container ${id} was never completed: runlet delete --force ${id}` });
          continue;
        }
        const cgroup = cgroupOf(record);
        states.push(stateOf(record, statusOf({ record, cgroup, directory }), cgroup));
      } catch (error) {
        // Another command may have deleted it meanwhile.
        if (!(error instanceof RunletError)) throw error;
        if (error.code !== "ERR_RUNLET_NOT_FOUND") this.#warn({ message: error.message });
      }
    }
    return states;
  }

  /**
   * The plan of a bundle; nothing is made.
   *
   * @throws RunletError as {@link create} does for a config that cannot be carried out.
   */
  async plan(options: PlanOptions): Promise<Plan> {
    const id = options.id ?? "plan";
    checkContainerId(id);
    const loaded = this.#load(options);
    return this.#compile(id, loaded, this.#cgroup(id, loaded.spec, this.isRootless), options);
  }

  /** Whether what an unprivileged user may not do is left out instead of refused. */
  get isRootless(): boolean {
    const { rootless = "auto" } = this.#options;
    return rootless === "auto" ? process.geteuid?.() !== 0 || isHostInUserNamespace() : rootless;
  }

  readonly #warn = (warning: Warning): void => this.#options.onWarning?.(warning);

  #load({ bundle, config, configPath }: PlanOptions | CreateOptions | RestoreOptions): LoadedConfig {
    return loadConfig({ bundle, config, configPath });
  }

  #cgroup(id: string, spec: Spec, isRootless: boolean): Cgroup | null {
    const driver = this.#options.cgroupManager ?? "cgroupfs";
    const { cgroupsPath = "" } = spec.linux ?? {};
    // An ordinary user goes without what is not delegated, unless the config asks for a place.
    const bearsRefusals = isRootless && cgroupsPath === "" && driver === "cgroupfs";
    const layout = bearsRefusals ? delegatedLayout(hostLayout()) : hostLayout();
    if (driver === "disabled" || (layout.kind === "none" && isRootless)) return null;
    const manager: CgroupManager = cgroupManager({ layout, driver, rootless: isRootless });
    return manager.cgroup({ id, cgroupsPath });
  }

  #compile(
    id: string,
    loaded: LoadedConfig,
    cgroup: Cgroup | null,
    options: Pick<PlanOptions, "noPivot" | "noNewKeyring" | "preserveFds">,
  ): Plan {
    const { spec, warnings } = loaded;
    checkPrivilege(spec);
    const plan = this.#plans.compile({ id, loaded, cgroup, options });
    if (cgroup?.driver === "systemd") {
      for (const warning of warnOfAnnotations(spec, this.#options.allowedAnnotations ?? [])) this.#warn(warning);
    }
    const found = [...(plan.warnings ?? []), ...(cgroup?.warnings(spec.linux?.resources) ?? [])];
    // What the validator says entry by entry, the plan says of the whole.
    const isCovered = (pointer = "") => found.some((other) => pointer.startsWith(`${other.pointer}/`));
    for (const warning of warnings) if (!isCovered(warning.pointer)) this.#warn(warning);
    for (const warning of found) this.#warn(warning);
    return plan;
  }

  #ids(): string[] {
    try {
      return readdirSync(this.root, { withFileTypes: true })
        .filter((entry) => entry.isDirectory())
        .map(({ name }) => name)
        .sort();
    } catch (cause) {
      const { code } = cause as NodeJS.ErrnoException;
      if (code === "ENOENT" && this.#isDefaultRoot) return [];
      throw new RunletError("ERR_RUNLET_USAGE", `the state root ${quote(this.root)}: ${errnoMessage(String(code))}`, {
        errno: String(code),
        syscall: "open",
        hint: "--root names the directory that was given when the containers were created",
        cause,
      });
    }
  }
}

/** The control group in a record. */
function cgroupOf(record: StateRecord): Cgroup | null {
  return record.cgroup === null ? null : cgroupFromState(record.cgroup, { layout: hostLayout() });
}

/** An ordinary user can make namespaces only together with a user namespace. */
function checkPrivilege(spec: Spec): void {
  if (process.geteuid?.() === 0) return;
  if (spec.linux?.namespaces?.some(({ type }) => type === "user")) return;
  throw new RunletError("ERR_RUNLET_NOT_ROOT", "this container needs root: its config has no user namespace", {
    pointer: "/linux/namespaces",
    hint: "run as root (sudo), or write a config for an ordinary user: runlet spec --rootless",
  });
}
