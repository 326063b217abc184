import { quote } from "@runlet/errors";
import { capabilityNames, capabilitySets, type Process } from "@runlet/spec";
import type { Unsound } from "../issue.ts";
import { present, type Rule } from "../rule.ts";
import { nearest } from "../suggestion.ts";

const known: ReadonlySet<string> = new Set(capabilityNames);

/** Rules about capability sets; the subject is the process. */
export const capabilityRules: readonly Rule<Unsound<Process>>[] = [
  {
    id: "capabilities.unknown",
    spec: "config.md#linux-process",
    check({ capabilities }, report) {
      for (const set of capabilitySets) {
        for (const [index, name] of present(capabilities?.[set])) {
          if (known.has(name)) continue;
          const meant = known.has(`CAP_${name.toUpperCase()}`)
            ? `CAP_${name.toUpperCase()}`
            : nearest(name, capabilityNames);
          report({
            at: ["capabilities", set, index],
            message: `there is no capability ${quote(name)}, so it is left out`,
            hint: meant === undefined ? undefined : `did you mean "${meant}"?`,
            severity: "warning",
          });
        }
      }
    },
  },
  {
    id: "capabilities.effective",
    spec: "config.md#linux-process",
    check({ capabilities }, report) {
      const permitted = new Set(capabilities?.permitted);
      for (const [index, name] of present(capabilities?.effective)) {
        if (!known.has(name) || permitted.has(name)) continue;
        report({
          at: ["capabilities", "effective", index],
          message: `${name} is effective but not permitted, which the kernel refuses`,
          hint: 'add it to "permitted"',
        });
      }
    },
  },
  {
    id: "capabilities.inheritable",
    spec: "config.md#linux-process",
    check({ capabilities }, report) {
      const bounding = new Set(capabilities?.bounding);
      for (const [index, name] of present(capabilities?.inheritable)) {
        if (!known.has(name) || bounding.has(name)) continue;
        report({
          at: ["capabilities", "inheritable", index],
          message: `${name} is inheritable but not in the bounding set, which the kernel refuses`,
          hint: 'add it to "bounding"',
        });
      }
    },
  },
  {
    id: "capabilities.ambient",
    spec: "config.md#linux-process",
    check({ capabilities }, report) {
      const permitted = new Set(capabilities?.permitted);
      const inheritable = new Set(capabilities?.inheritable);
      for (const [index, name] of present(capabilities?.ambient)) {
        if (!known.has(name)) continue;
        const missing = [
          ...(permitted.has(name) ? [] : ["permitted"]),
          ...(inheritable.has(name) ? [] : ["inheritable"]),
        ];
        if (missing.length === 0) continue;
        report({
          at: ["capabilities", "ambient", index],
          message: `${name} is ambient but not ${missing.join(" and not ")}, so the kernel does not grant it`,
          hint: `add it to ${missing.map((set) => `"${set}"`).join(" and ")}, or remove it here`,
          severity: "warning",
        });
      }
    },
  },
];
