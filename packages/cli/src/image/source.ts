import type { FileSource, ImageLocation, ImageSource, Reference } from "@runlet/image";
import type { OptionValues } from "../command.ts";
import type { sourceOptions } from "../options/image.ts";
import { registryAccess } from "./registry-access.ts";

/** A source and what it calls the image that was asked for. */
export interface OpenedSource extends AsyncDisposable {
  readonly source: ImageSource;
  readonly reference: string | undefined;
  /** Name for the store; undefined where none follows. */
  readonly name: string | undefined;
}

/** What a source is opened with. */
export type SourceOptions = OptionValues<typeof sourceOptions>;

/**
 * Opens where an image is to come from.
 *
 * @param text - as `parseImageLocation` reads it.
 */
export async function openSource(text: string, options: SourceOptions): Promise<OpenedSource> {
  const { defaultImageName, parseImageLocation } = await import("@runlet/image");
  const location = parseImageLocation(text);
  if (location.transport === "docker") {
    const { tag, digest } = location.reference;
    return opened(await openRegistry(location.reference, options), digest ?? tag, defaultImageName(location));
  }
  const source = await openFile(location);
  const only = source.references.length === 1 ? source.references[0] : undefined;
  return opened(source, location.name, defaultImageName(location, only));
}

/** Opens the repository of an image in its registry. */
export async function openRegistry({ registry, repository }: Reference, options: SourceOptions): Promise<ImageSource> {
  const { openRegistrySource } = await import("@runlet/image");
  const access = await registryAccess(options, registry);
  return openRegistrySource({ host: registry, repository, mirrors: options.mirror, ...access });
}

/** The transport says what the file is; what is both a layout and a docker archive can be read as either. */
async function openFile({ transport, hostPath }: Extract<ImageLocation, { hostPath: string }>): Promise<FileSource> {
  const { DockerArchiveSource, LayoutSource } = await import("@runlet/image");
  return transport === "docker-archive" ? DockerArchiveSource.open(hostPath) : LayoutSource.open(hostPath);
}

function opened(source: ImageSource, reference: string | undefined, name: string | undefined): OpenedSource {
  return { source, reference, name, [Symbol.asyncDispose]: () => Promise.resolve(source[Symbol.asyncDispose]()) };
}
