import { readFileSync } from "node:fs";
import { join } from "node:path";

const page = readFileSync(join(import.meta.dirname, "../../../docs/engines.md"), "utf8");

/** A section of docs/engines.md. */
export class ManualSection {
  /** All that stands below its title. */
  readonly text: string;

  /** @throws Error when the page has no section of that title. */
  constructor(title: string) {
    const text = `${page}\n## `.split(`\n## ${title}\n`)[1]?.split("\n## ")[0];
    if (text === undefined) throw new Error(`docs/engines.md has no section ${title}`);
    this.text = text;
  }

  /** The section's code blocks of one language, in their order. */
  blocks(language: string): string[] {
    const pattern = new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\``, "gms");
    return [...this.text.matchAll(pattern)].map(([, text = ""]) => text);
  }
}
