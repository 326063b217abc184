import { closeSync, openSync } from "node:fs";
import { quote, RunletError } from "@runlet/errors";
import { isInUserNamespace, readUidMap } from "../host.ts";
import { lastErrors } from "./criu-log.ts";
import type { CriuFeatures, CriuOptions, CriuResponse } from "./criu-message.ts";
import { requestTypes } from "./criu-message.ts";
import { CriuProcess } from "./criu-process.ts";
import { findCriu } from "./criu-program.ts";
import { MalformedMessage } from "./protobuf.ts";

/** Major number times 10 000, minor number times 100, and the third, as CRIU itself counts. */
type CriuVersion = number;

/** The oldest that is used: 3.15 joins pid namespaces and notifies of lazy pages. */
const oldestVersion: CriuVersion = 31500;

/** A CRIU that has been found and is new enough. */
export interface CriuService {
  readonly hostPath: string;
  readonly version: CriuVersion;
}

/**
 * Finds CRIU and asks for its version.
 *
 * @throws RunletError `ERR_RUNLET_NOT_ROOT` for anybody but the host's root, `ERR_RUNLET_CHECKPOINT` when there is no CRIU or
 *   one that is too old.
 */
export async function openCriuService(criuPath: string | undefined): Promise<CriuService> {
  if (process.geteuid?.() !== 0 || isInUserNamespace(readUidMap())) {
    throw new RunletError("ERR_RUNLET_NOT_ROOT", "checkpoint and restore need root, outside of a user namespace", {
      hint: "CRIU reads and writes what the kernel shows to the host's root alone",
    });
  }
  const hostPath = findCriu(criuPath);
  const { version } = await ask(hostPath, requestTypes.VERSION);
  const { major = 0, minor = 0, sublevel = 0 } = version ?? {};
  const number = major * 10_000 + minor * 100 + sublevel;
  const service = { hostPath, version: number };
  requireVersion(service, oldestVersion, "checkpoint and restore");
  return service;
}

/** @throws RunletError `ERR_RUNLET_CHECKPOINT` for an older CRIU. */
export function requireVersion(service: CriuService, oldest: CriuVersion, purpose: string): void {
  if (service.version >= oldest) return;
  throw new RunletError(
    "ERR_RUNLET_CHECKPOINT",
    `${purpose}: CRIU ${formatVersion(service.version)} is too old, ${formatVersion(oldest)} or newer is needed`,
    { hint: `install a newer one in the place of ${service.hostPath}` },
  );
}

function formatVersion(version: CriuVersion): string {
  return `${Math.floor(version / 10_000)}.${Math.floor(version / 100) % 100}`;
}

/** @throws RunletError `ERR_RUNLET_CHECKPOINT` when CRIU or the kernel has not all of these. */
export async function requireFeatures({ hostPath }: CriuService, wanted: CriuFeatures): Promise<void> {
  const { features = {} } = await ask(hostPath, requestTypes.FEATURE_CHECK, wanted);
  const names = { memTrack: "track changes of memory", lazyPages: "bring pages lazily" } as const;
  for (const [name, words] of Object.entries(names) as [keyof CriuFeatures, string][]) {
    if (!wanted[name] || features[name]) continue;
    throw new RunletError("ERR_RUNLET_CHECKPOINT", `CRIU cannot ${words} on this kernel`, {
      hint: `see \`criu check --feature ${name === "memTrack" ? "mem_dirty_track" : "uffd"}\``,
    });
  }
}

async function ask(hostPath: string, type: number, features?: CriuFeatures): Promise<CriuResponse> {
  const nullFd = openSync("/dev/null", "r+");
  try {
    await using criu = await CriuProcess.start({ hostPath, fds: [nullFd, nullFd, nullFd] });
    const response = await criu.request({ type, features });
    if (response.success) return response;
    throw new RunletError("ERR_RUNLET_CHECKPOINT", `${quote(hostPath)} does not answer as CRIU does`);
  } catch (error) {
    if (!(error instanceof MalformedMessage)) throw error;
    throw new RunletError(
      "ERR_RUNLET_CHECKPOINT",
      `${quote(hostPath)} does not answer as CRIU does: ${error.message}`,
      {
        cause: error,
      },
    );
  } finally {
    closeSync(nullFd);
  }
}

/** What CRIU reports of a failure, in words. */
export function explainCriuFailure(what: string, response: CriuResponse, logHostPath: string): RunletError {
  const errors = lastErrors(logHostPath);
  const given = response.crErrmsg?.trim().replace(/^Error \([^)]*\): /, "");
  const last = given || errors.at(-1) || `error ${response.crErrno ?? 0}`;
  return new RunletError("ERR_RUNLET_CHECKPOINT", `${what}: ${quote(last)}`, {
    hint: `${hintFor(errors)}the log of CRIU says more: ${quote(logHostPath)}`,
    details: { log: logHostPath, errors },
  });
}

const hints: readonly (readonly [pattern: RegExp, hint: string])[] = [
  [/tcp-established|Connected TCP socket/i, "allow open connections with --tcp-established"],
  [
    /--ext-unix-sk|[Ee]xternal (?:unix )?socket|Unix socket \d+ not found/,
    "allow sockets that lead outside with --ext-unix-sk",
  ],
  [/shell-job|dangling tty|tty.*not (?:a )?(?:session|inherit)/i, "allow a terminal from outside with --shell-job"],
  [/file[- ]locks?/i, "allow file locks with --file-locks"],
  [/link[- ]remap|without name|ghost/i, "allow files without a name with --link-remap"],
  [/vdso/i, "this CRIU does not know this kernel's vDSO: install a newer one"],
];

function hintFor(errors: readonly string[]): string {
  const found = hints.find(([pattern]) => errors.some((error) => pattern.test(error)));
  return found === undefined ? "" : `${found[1]}; `;
}

/** What every request says alike. */
export const alwaysSet = {
  logLevel: 4,
  notifyScripts: true,
  manageCgroups: true,
  orphanPtsMaster: true,
} as const satisfies CriuOptions;
