import { type Command, type CommandGroup, defineCommand } from "./command.ts";
import { imageCommitOptions, imageCommitPositionals } from "./options/commit.ts";
import {
  imageCollectOptions,
  imageDiffOptions,
  imageDiffPositionals,
  imageExportOptions,
  imageExportPositionals,
  imageImportOptions,
  imageImportPositionals,
  imageInspectOptions,
  imageInspectPositionals,
  imageListOptions,
  imageRemoveOptions,
  imageRemovePositionals,
  imageTagOptions,
  imageTagPositionals,
  imageTagsOptions,
  imageTagsPositionals,
  imageTreeOptions,
  imageTreePositionals,
  imageUsageOptions,
  pullOptions,
  pullPositionals,
  pushOptions,
  pushPositionals,
} from "./options/image.ts";

/** The commands that have to do with images. */
export const imageGroup: CommandGroup = {
  name: "image",
  summary: "keep images and look at them",
  description: [
    "Images lie in a store that holds each content once, by its digest, and each layer unpacked once. Any number of containers can run over one unpacked image.",
  ],
};

/** The entries of the table that make the group up. */
export const imageCommands: readonly Command[] = [
  defineCommand({
    name: "image pull",
    summary: "copy an image into the store",
    description: [
      "Copies an image from a registry, an OCI image layout or an archive into the store, checks every content against its digest, and unpacks the layers. What the store has is not read again; a download that broke off goes on where it ended.",
      "Credentials are those that docker login, podman login and skopeo login have stored. The environment variables HTTPS_PROXY, HTTP_PROXY and NO_PROXY are followed.",
    ],
    options: pullOptions,
    positionals: pullPositionals,
    load: () => import("./commands/image/pull.ts"),
  }),
  defineCommand({
    name: "image push",
    summary: "copy an image out of the store",
    description: [
      "Copies an image to a registry, an OCI image layout or an archive. What is there is not sent again, and what another repository of the registry has is taken over from there if the registry allows it.",
    ],
    options: pushOptions,
    positionals: pushPositionals,
    load: () => import("./commands/image/push.ts"),
  }),
  defineCommand({
    name: "image ls",
    aliases: ["image list"],
    summary: "list the images of the store",
    options: imageListOptions,
    positionals: {},
    load: () => import("./commands/image/ls.ts"),
  }),
  defineCommand({
    name: "image rm",
    aliases: ["image remove"],
    summary: "take names of images away",
    description: ["What no other name and no container needs any more goes with the next runlet image gc."],
    options: imageRemoveOptions,
    positionals: imageRemovePositionals,
    load: () => import("./commands/image/rm.ts"),
  }),
  defineCommand({
    name: "image tag",
    summary: "give an image another name",
    options: imageTagOptions,
    positionals: imageTagPositionals,
    load: () => import("./commands/image/tag.ts"),
  }),
  defineCommand({
    name: "image inspect",
    summary: "print what is known of an image as JSON",
    options: imageInspectOptions,
    positionals: imageInspectPositionals,
    load: () => import("./commands/image/inspect.ts"),
  }),
  defineCommand({
    name: "image tree",
    summary: "draw the layers that images share",
    description: [
      "Every layer is drawn once, below the one that it lies on; the names of images stand beside their uppermost layer. A layer that several images share is where their branches part.",
    ],
    options: imageTreeOptions,
    positionals: imageTreePositionals,
    load: () => import("./commands/image/tree.ts"),
  }),
  defineCommand({
    name: "image du",
    summary: "say how much the store holds, and what it saves",
    description: [
      "The saving is against one bundle for each image, with a root file system of its own: what the layers of all images would take, each counted as often as it is used.",
    ],
    options: imageUsageOptions,
    positionals: {},
    load: () => import("./commands/image/du.ts"),
  }),
  defineCommand({
    name: "image diff",
    summary: "list the files in which images or containers differ",
    description: [
      "A line for each file: A for added, C for changed, D for deleted. Both images are unpacked if they are not. Of container:ID alone: what a container of an image has changed.",
    ],
    options: imageDiffOptions,
    positionals: imageDiffPositionals,
    load: () => import("./commands/image/diff.ts"),
  }),
  defineCommand({
    name: "image commit",
    summary: "make an image of what a container has changed",
    description: [
      "The new image has the layers of the container's image and one more. The container should be stopped or paused. The same changes make the same layer; with --created, the same image.",
    ],
    options: imageCommitOptions,
    positionals: imageCommitPositionals,
    load: () => import("./commands/image/commit.ts"),
  }),
  defineCommand({
    name: "image gc",
    summary: "remove what no image and no container needs",
    options: imageCollectOptions,
    positionals: {},
    load: () => import("./commands/image/gc.ts"),
  }),
  defineCommand({
    name: "image import",
    summary: "copy all images of an archive into the store",
    description: [
      "Takes archives of image layouts and those of docker save, compressed or not, and directories. Images keep the names that they have there.",
    ],
    options: imageImportOptions,
    positionals: imageImportPositionals,
    load: () => import("./commands/image/import.ts"),
  }),
  defineCommand({
    name: "image export",
    summary: "write images of the store to an archive",
    options: imageExportOptions,
    positionals: imageExportPositionals,
    load: () => import("./commands/image/export.ts"),
  }),
  defineCommand({
    name: "image tags",
    summary: "list the tags of a repository of a registry",
    options: imageTagsOptions,
    positionals: imageTagsPositionals,
    load: () => import("./commands/image/tags.ts"),
  }),
];
