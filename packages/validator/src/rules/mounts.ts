import { quote } from "@runlet/errors";
import type { Mount } from "@runlet/spec";
import type { Unsound } from "../issue.ts";
import { present, type Rule } from "../rule.ts";
import { addNamespace, checkIdMappings, findNamespace } from "./namespaces.ts";

/** Rules about the root and the mounts. */
export const mountRules: readonly Rule[] = [
  {
    id: "root.required",
    spec: "config.md#root",
    check({ root }, report) {
      if (root === undefined) report({ at: [], message: 'the field "root" is missing: Linux needs a root filesystem' });
    },
  },
  {
    id: "root.path",
    spec: "config.md#root",
    check({ root }, report) {
      if (root?.path === "") report({ at: ["root", "path"], message: "the path of the root filesystem is empty" });
    },
  },
  {
    id: "mounts.destination",
    spec: "config.md#mounts",
    check({ mounts }, report) {
      for (const [index, { destination }] of present(mounts)) {
        if (destination === undefined || destination.startsWith("/")) continue;
        report({
          at: ["mounts", index, "destination"],
          message: `the destination ${quote(destination)} is not an absolute path`,
          hint: `write ${quote(`/${destination}`)}`,
        });
      }
    },
  },
  {
    id: "mounts.source",
    spec: "config.md#mounts",
    check({ mounts }, report) {
      for (const [index, mount] of present(mounts)) {
        if (!isBind(mount) || hasOption(mount, "remount") || (mount.source ?? "") !== "") continue;
        report({ at: ["mounts", index], message: "a bind mount needs a source" });
      }
    },
  },
  {
    id: "mounts.type",
    spec: "config.md#mounts",
    check({ mounts }, report) {
      for (const [index, mount] of present(mounts)) {
        if (isBind(mount) || hasOption(mount, "remount") || isPropagationOnly(mount)) continue;
        if ((mount.type ?? "") !== "" && mount.type !== "bind") continue;
        const at = mount.type === undefined ? ["mounts", index] : ["mounts", index, "type"];
        report(
          mount.type === "bind"
            ? {
                at,
                message: 'the type "bind" alone does not make a bind mount',
                hint: 'add "bind" or "rbind" to its options',
              }
            : { at, message: "a mount that is not a bind mount needs a type" },
        );
      }
    },
  },
  {
    id: "mounts.idMappings",
    spec: "config.md#mounts",
    check({ mounts }, report) {
      for (const [index, mount] of present(mounts)) {
        const has = { uidMappings: isGiven(mount.uidMappings), gidMappings: isGiven(mount.gidMappings) };
        if (has.uidMappings !== has.gidMappings) {
          const [given, missing] = has.uidMappings ? ["uidMappings", "gidMappings"] : ["gidMappings", "uidMappings"];
          report({ at: ["mounts", index, given ?? ""], message: `${given} must be given together with ${missing}` });
        }
        for (const found of checkIdMappings(mount.uidMappings, ["mounts", index, "uidMappings"])) report(found);
        for (const found of checkIdMappings(mount.gidMappings, ["mounts", index, "gidMappings"])) report(found);
      }
    },
  },
  {
    id: "mounts.idmap",
    spec: "config.md#linux-mount-options",
    check(config, report) {
      if (findNamespace(config, "user") !== undefined) return;
      for (const [index, mount] of present(config.mounts)) {
        if (isGiven(mount.uidMappings) || isGiven(mount.gidMappings)) continue;
        for (const [position, option] of present(mount.options)) {
          if (option !== "idmap" && option !== "ridmap") continue;
          report({
            at: ["mounts", index, "options", position],
            message: `${option} needs mappings: the mount has none, and there is no user namespace to take them from`,
            hint: `add uidMappings and gidMappings to the mount, or ${addNamespace("user")}`,
          });
        }
      }
    },
  },
];

const propagations = /^r?(?:shared|slave|private|unbindable)$/;

function isBind(mount: Unsound<Mount>): boolean {
  return hasOption(mount, "bind") || hasOption(mount, "rbind");
}

function hasOption({ options }: Unsound<Mount>, option: string): boolean {
  return options?.includes(option) === true;
}

/** A mount that changes the propagation of what is there needs neither type nor source. */
function isPropagationOnly({ options }: Unsound<Mount>): boolean {
  return options?.some((option) => option !== undefined && propagations.test(option)) === true;
}

function isGiven(list: readonly unknown[] | undefined): boolean {
  return list !== undefined && list.length > 0;
}
