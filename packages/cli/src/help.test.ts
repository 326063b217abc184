import { describe, expect, it } from "vitest";
import { commands, findCommand, findGroup, topics } from "./commands.ts";
import { formatHelp } from "./help.ts";
import { imageRunOptions } from "./options/run.ts";

describe("formatHelp", () => {
  it("begins as scripts expect it", () => {
    expect(formatHelp("runlet").split("\n").slice(0, 2)).toEqual(["NAME:", "   runlet - OCI container runtime"]);
    expect(formatHelp("runc", findCommand("run")).split("\n").slice(0, 2)).toEqual([
      "NAME:",
      "   runc run - create and run a container",
    ]);
  });

  it("lists every command that is shown", () => {
    const help = formatHelp("runlet");
    for (const topic of topics()) {
      const isShown = !("hidden" in topic && topic.hidden === true);
      expect([topic.name, help.includes(`\n   ${topic.name} `) || help.includes(`\n   ${topic.name},`)]).toEqual([
        topic.name,
        isShown,
      ]);
    }
    expect(help).not.toContain("image pull");
  });

  it("lists the commands of a group by their second word", () => {
    const lines = formatHelp("runlet", findGroup("image")).split("\n");
    expect(lines.slice(0, 5)).toEqual([
      "NAME:",
      "   runlet image - keep images and look at them",
      "",
      "USAGE:",
      "   runlet image COMMAND [options] [arguments...]",
    ]);
    expect(lines).toContain("   pull     copy an image into the store");
  });

  it("shows the names, the value and the default of an option", () => {
    expect(formatHelp("runlet", findCommand("create"))).toContain(
      "   --bundle DIR, -b DIR     directory of the bundle (default: .)\n",
    );
    expect(formatHelp("runlet", findCommand("run"))).toMatch(/^ {3}--keep {2,}do not delete/m);
  });

  it("shows the arguments in their order", () => {
    expect(formatHelp("runlet", findCommand("kill"))).toContain("   runlet kill [options] CONTAINER-ID [SIGNAL]\n");
    expect(formatHelp("runlet", findCommand("exec"))).toContain("   runlet exec [options] CONTAINER-ID [COMMAND...]\n");
  });

  it("leaves hidden options out", () => {
    expect(formatHelp("runlet", findCommand("kill"))).not.toContain("--all");
  });

  it("wraps its paragraphs", () => {
    const [, description = ""] = formatHelp("runlet", findCommand("run")).split("DESCRIPTION:\n");
    const [paragraph = ""] = description.split("\n\n");
    for (const line of paragraph.split("\n")) expect(line.length).toBeLessThanOrEqual(80);
  });
});

describe("the table of commands", () => {
  it("gives every name and letter once", () => {
    const names = commands.flatMap((command) => [command.name, ...(command.aliases ?? [])]);
    expect(new Set(names).size).toBe(names.length);
    for (const command of commands) {
      const letters = Object.values(command.options).flatMap((option) => option.short ?? []);
      expect([command.name, new Set([...letters, "h"]).size]).toEqual([command.name, letters.length + 1]);
    }
  });

  it("names a value for every option but the booleans", () => {
    for (const command of commands) {
      for (const [name, option] of Object.entries(command.options)) {
        expect([command.name, name, option.value !== undefined]).toEqual([
          command.name,
          name,
          option.type !== "boolean",
        ]);
      }
    }
  });

  it("has required arguments first and a repeated one last", () => {
    for (const command of commands) {
      const counts = Object.values(command.positionals).map((positional) => positional.count);
      const order = ["required", "optional", "repeated"];
      expect(counts).toEqual([...counts].sort((left, right) => order.indexOf(left) - order.indexOf(right)));
      expect(counts.filter((count) => count === "repeated").length).toBeLessThanOrEqual(1);
    }
  });

  it.each([
    ["create", "bundle console-socket pidfd-socket pid-file no-pivot no-new-keyring preserve-fds config"],
    [
      "run",
      "bundle console-socket pidfd-socket pid-file no-pivot no-new-keyring preserve-fds config detach keep no-subreaper",
    ],
    ["kill", "all regex"],
    ["delete", "force regex"],
    ["list", "format quiet"],
    ["ps", "format"],
    ["spec", "bundle rootless file"],
    [
      "exec",
      "console-socket pidfd-socket cwd env tty user additional-gids process detach pid-file process-label apparmor no-new-privs cap preserve-fds cgroup ignore-paused",
    ],
    [
      "update",
      "resources blkio-weight cpu-period cpu-quota cpu-burst cpu-share cpu-rt-period cpu-rt-runtime cpu-idle cpuset-cpus cpuset-mems memory memory-reservation memory-swap pids-limit l3-cache-schema mem-bw-schema",
    ],
    ["events", "interval stats"],
    [
      "checkpoint",
      "image-path work-path parent-path leave-running tcp-established tcp-skip-in-flight link-remap ext-unix-sk shell-job lazy-pages status-fd page-server file-locks pre-dump manage-cgroups-mode empty-ns auto-dedup",
    ],
    [
      "restore",
      "console-socket image-path work-path tcp-established ext-unix-sk shell-job file-locks manage-cgroups-mode bundle detach pid-file no-subreaper no-pivot empty-ns auto-dedup lazy-pages lsm-profile lsm-mount-context",
    ],
  ])("has every flag of runc's and crun's %s", (name, flags) => {
    // Those that run has for images are its own.
    const own = name === "run" ? Object.keys(imageRunOptions) : [];
    expect(Object.keys(findCommand(name)?.options ?? {}).sort()).toEqual([...flags.split(" "), ...own].sort());
  });

  it.each(["pause", "resume", "state", "start", "features"])("has runc's %s, which takes no flags", (name) => {
    expect(findCommand(name)?.options).toEqual({});
  });
});
