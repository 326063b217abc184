import { afterAll, beforeAll, test } from "vitest";
import type { Scene } from "./scene.ts";

/** Something that this machine cannot do, whichever runtime is asked. */
export interface MachineReason {
  /** Holds of what a flow failed with under `runc`. */
  readonly evidence: RegExp;
  /** Why, for a reader of the report. */
  readonly because: string;
}

/** Options of {@link openFlows}. */
export interface FlowsOptions<Engine> {
  /** Opens the place in which the engine runs. */
  openScene(): Promise<Scene>;
  /** The engine in that place, with a runtime; what it starts ends with the scene. */
  openEngine(scene: Scene, runtime: Runtime): Promise<Engine>;
  /** What is known to fail here. */
  readonly machineReasons: readonly MachineReason[];
}

/** A runtime as an engine is told of it. */
export interface Runtime {
  readonly name: "runc" | "runlet";
  /** Path of the executable in the scene. */
  readonly path: string;
}

/** What flows are proven with. */
export const peer: Runtime = { name: "runc", path: "/usr/sbin/runc" };

/** What the flows are about. */
export const subject: Runtime = { name: "runlet", path: "/usr/local/bin/runlet" };

/** Defines a flow. */
export type DefineFlow<Engine> = (name: string, body: (engine: Engine) => Promise<void>, timeoutMs?: number) => void;

/**
 * Flows through an engine, all in one scene. Each runs with `runc` first, which shows that what it expects is right. Where
 * that fails for a reason that the machine is known for, the flow is skipped and says so; where it fails for another one, it
 * fails. Then it runs with runlet, which must pass.
 *
 * With ENGINES_PEER=on-failure runlet comes first, and runc only where runlet failed: for a machine so slow that once is
 * enough. ENGINES_FLOWS, a regular expression, leaves only flows whose names it matches.
 */
export function openFlows<Engine>(options: FlowsOptions<Engine>): DefineFlow<Engine> {
  const isPeerFirst = process.env.ENGINES_PEER !== "on-failure";
  let scene: Scene | undefined;
  const engines = new Map<Runtime, Engine>();

  beforeAll(async () => {
    scene = await options.openScene();
  });
  afterAll(async () => {
    await scene?.close();
  });

  async function engineWith(runtime: Runtime): Promise<Engine> {
    if (scene === undefined) throw new Error("a flow begins before its scene is open");
    const open = engines.get(runtime) ?? (await options.openEngine(scene, runtime));
    engines.set(runtime, open);
    return open;
  }

  /** @returns why this machine cannot run the flow, undefined when it can. */
  async function prove(body: (engine: Engine) => Promise<void>): Promise<string | undefined> {
    try {
      await body(await engineWith(peer));
      return undefined;
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      const known = options.machineReasons.find(({ evidence }) => evidence.test(text));
      if (known !== undefined) return known.because;
      throw new Error(`with ${peer.name}, and for no reason that this machine is known for: ${text}`, { cause: error });
    }
  }

  const chosen = new RegExp(process.env.ENGINES_FLOWS ?? "");
  return (name, body, timeoutMs) => {
    if (!chosen.test(name)) return;
    test(name, timeoutMs === undefined ? {} : { timeout: timeoutMs }, async (context) => {
      const skipFor = (reason: string) => {
        context.task.meta.skipReason = reason;
        context.skip(reason);
      };
      if (isPeerFirst) {
        const reason = await prove(body);
        if (reason !== undefined) skipFor(reason);
      }
      try {
        await body(await engineWith(subject));
      } catch (error) {
        const reason = isPeerFirst ? undefined : await prove(body).catch(() => undefined);
        if (reason === undefined) throw error;
        skipFor(reason);
      }
    });
  };
}
