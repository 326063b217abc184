import type { OptionTable, PositionalTable } from "../command.ts";
import { containerId } from "./create.ts";

export const imageCommitOptions = {
  author: { type: "string", value: "TEXT", summary: "who has made the image" },
  comment: { type: "string", value: "TEXT", summary: "what the changes are for" },
  created: {
    type: "string",
    value: "TIME",
    summary: "time of the image, RFC 3339; files of a later time get it, so that the same changes make the same image",
  },
  json: { type: "boolean", summary: "print JSON" },
} as const satisfies OptionTable;

export const imageCommitPositionals = {
  ...containerId,
  name: {
    value: "NAME",
    summary: "name of the new image; without one it goes with the next image gc",
    count: "optional",
  },
} as const satisfies PositionalTable;
