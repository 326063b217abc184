import { type Command, type CommandGroup, defineCommand, type OptionTable, type PositionalTable } from "./command.ts";
import { imageCommands, imageGroup } from "./image-commands.ts";
import {
  bundleOptions,
  bundlePositionals,
  planOptions,
  planPositionals,
  specOptions,
  validateOptions,
  validatePositionals,
} from "./options/bundle.ts";
import { checkpointOptions, restoreOptions } from "./options/checkpoint.ts";
import { containerId, createOptions, newContainerId } from "./options/create.ts";
import { completionPositionals, helpPositionals, manualPositionals } from "./options/help.ts";
import { deleteOptions, killOptions, killPositionals, listOptions } from "./options/lifecycle.ts";
import {
  eventsOptions,
  execOptions,
  execPositionals,
  psOptions,
  psPositionals,
  updateOptions,
} from "./options/process.ts";
import { runOptions, runPositionals } from "./options/run.ts";

const none = {} as const satisfies OptionTable & PositionalTable;

/**
 * Every command, in the order of the help. The parser, the help, the manual pages and the shells' completions all come
 * from this table; the code of a command is imported when the command is called, and not before.
 */
export const commands: readonly Command[] = [
  defineCommand({
    name: "spec",
    summary: "write the default config.json",
    description: [
      "Writes a config.json that runs a shell on a terminal, for the root file system in ./rootfs. It is a start: edit it to say what is to run. An existing file is never overwritten.",
    ],
    options: specOptions,
    positionals: none,
    load: () => import("./commands/spec.ts"),
  }),
  defineCommand({
    name: "bundle",
    summary: "make a bundle from an executable or a tar archive",
    description: [
      "Makes the directory DIR with a config.json and a root file system. An executable gets the interpreter and the shared libraries that it needs; an archive is unpacked.",
    ],
    options: bundleOptions,
    positionals: bundlePositionals,
    load: () => import("./commands/bundle.ts"),
  }),
  ...imageCommands,
  defineCommand({
    name: "validate",
    summary: "check a config.json against the specification",
    description: [
      "Prints every issue on a line of its own, with file, line, column and JSON Pointer. The exit status is 1 if one of them is an error.",
    ],
    options: validateOptions,
    positionals: validatePositionals,
    load: () => import("./commands/validate.ts"),
  }),
  defineCommand({
    name: "plan",
    summary: "print what would be done to make a container",
    description: [
      "Prints the operations, phase by phase, and the entry of config.json that each one comes from. Nothing is carried out.",
    ],
    options: planOptions,
    positionals: planPositionals,
    load: () => import("./commands/plan.ts"),
  }),
  defineCommand({
    name: "create",
    summary: "create a container",
    description: [
      "Makes everything ready, up to the program of the bundle's config.json, which waits for the start command. The standard streams are the container's.",
    ],
    options: createOptions,
    positionals: newContainerId,
    load: () => import("./commands/create.ts"),
  }),
  defineCommand({
    name: "start",
    summary: "run the program of a created container",
    options: none,
    positionals: containerId,
    load: () => import("./commands/start.ts"),
  }),
  defineCommand({
    name: "run",
    summary: "create and run a container",
    description: [
      "In the foreground, signals are passed on to the container, its terminal follows the size of this one, the exit status is the container's (128+N if signal N ended it), and the container is deleted at the end.",
      "With --image, the container is made of an image instead of a bundle, over files that all containers of the image share. What it writes is its own, and goes when it is deleted: at its end with --rm, else by the delete command. Until then runlet image commit can make another image of it. What follows CONTAINER-ID is the program, or the arguments of the image's.",
    ],
    options: runOptions,
    positionals: runPositionals,
    endsAtPositional: "image",
    load: () => import("./commands/run.ts"),
  }),
  defineCommand({
    name: "state",
    summary: "print the state of a container as JSON",
    options: none,
    positionals: containerId,
    load: () => import("./commands/state.ts"),
  }),
  defineCommand({
    name: "list",
    summary: "list the containers of the state directory",
    options: listOptions,
    positionals: none,
    load: () => import("./commands/list.ts"),
  }),
  defineCommand({
    name: "kill",
    summary: "send a signal to a container",
    options: killOptions,
    positionals: killPositionals,
    load: () => import("./commands/kill.ts"),
  }),
  defineCommand({
    name: "delete",
    summary: "remove what is left of a stopped container",
    options: deleteOptions,
    positionals: containerId,
    load: () => import("./commands/delete.ts"),
  }),
  defineCommand({
    name: "exec",
    summary: "run another process in a container",
    options: execOptions,
    positionals: execPositionals,
    endsAtPositional: true,
    failureStatus: 255,
    load: () => import("./commands/exec.ts"),
  }),
  defineCommand({
    name: "ps",
    summary: "list the processes of a container",
    options: psOptions,
    positionals: psPositionals,
    endsAtPositional: true,
    load: () => import("./commands/ps.ts"),
  }),
  defineCommand({
    name: "pause",
    summary: "stop all processes of a container",
    options: none,
    positionals: containerId,
    load: () => import("./commands/pause.ts"),
  }),
  defineCommand({
    name: "resume",
    summary: "let a paused container go on",
    options: none,
    positionals: containerId,
    load: () => import("./commands/resume.ts"),
  }),
  defineCommand({
    name: "update",
    summary: "change the limits of a container",
    description: [
      "Limits that are not named stay as they are. --resources takes linux.resources of config.json, of which devices stay as they are too, and no other limit beside it.",
    ],
    options: updateOptions,
    positionals: containerId,
    load: () => import("./commands/update.ts"),
  }),
  defineCommand({
    name: "events",
    summary: "print readings and out-of-memory events of a container",
    description: ["Prints one JSON object a line, until the container ends."],
    options: eventsOptions,
    positionals: containerId,
    load: () => import("./commands/events.ts"),
  }),
  defineCommand({
    name: "checkpoint",
    summary: "save a running container",
    description: [
      "Saves the processes of a container to image files, by CRIU, which must be installed. The container is deleted afterwards, unless it is left running. What CRIU says is in dump.log of the work directory.",
    ],
    options: checkpointOptions,
    positionals: containerId,
    load: () => import("./commands/checkpoint.ts"),
  }),
  defineCommand({
    name: "restore",
    summary: "bring a saved container back",
    description: [
      "Brings back what the checkpoint command has saved, from the same bundle. Images are checked first: what they say of mounts, namespaces, control groups and privileges must be what config.json says. What CRIU says is in restore.log of the work directory.",
    ],
    options: restoreOptions,
    positionals: newContainerId,
    load: () => import("./commands/restore.ts"),
  }),
  defineCommand({
    name: "features",
    summary: "print what is supported as JSON",
    options: none,
    positionals: none,
    load: () => import("./commands/features.ts"),
  }),
  defineCommand({
    name: "completion",
    summary: "print the completion script of a shell",
    description: [
      "For bash: runlet completion bash > /usr/share/bash-completion/completions/runlet. For zsh: the file _runlet in a directory of $fpath. For fish: runlet.fish in ~/.config/fish/completions.",
    ],
    options: none,
    positionals: completionPositionals,
    load: () => import("./commands/completion.ts"),
  }),
  defineCommand({
    name: "manual",
    summary: "print a manual page in the format of man(1)",
    options: none,
    positionals: manualPositionals,
    hidden: true,
    load: () => import("./commands/manual.ts"),
  }),
  defineCommand({
    name: "help",
    aliases: ["h"],
    summary: "print the help of this program or of a command",
    options: none,
    positionals: helpPositionals,
    load: () => import("./commands/help.ts"),
  }),
];

/** Every group of commands. */
export const commandGroups: readonly CommandGroup[] = [imageGroup];

/** The command of that name or alias. */
export function findCommand(name: string): Command | undefined {
  return commands.find((command) => command.name === name || command.aliases?.includes(name));
}

/** The group of that name. */
export function findGroup(name: string): CommandGroup | undefined {
  return commandGroups.find((group) => group.name === name);
}

/** The commands of a group, in the order of the help. */
export function commandsOf(group: CommandGroup): readonly Command[] {
  return commands.filter((command) => command.name.startsWith(`${group.name} `));
}

/** What stands first on a command line: every command that is of no group, and every group, in the order of the help. */
export function topics(): readonly (Command | CommandGroup)[] {
  const all = commands.map((command) => findGroup(command.name.split(" ", 1)[0] ?? "") ?? command);
  return [...new Set(all)];
}
