import type { FileSource, ImageLocation, ImageSource } from "@runlet/image";
import type { OptionValues } from "../command.ts";
import type { registryOptions } from "../options/image.ts";
import { registryAccess } from "./registry-access.ts";

/** A source and what it calls the image that was asked for. */
export interface OpenedSource extends AsyncDisposable {
  readonly source: ImageSource;
  readonly reference: string | undefined;
  /** Name for the store; undefined where none follows. */
  readonly name: string | undefined;
}

/** What a source is opened with. */
type SourceOptions = OptionValues<typeof registryOptions> & { readonly mirror: readonly string[] };

/**
 * Opens where an image is to come from.
 *
 * @param text - as `parseImageLocation` reads it.
 */
export async function openSource(text: string, options: SourceOptions): Promise<OpenedSource> {
  const { defaultImageName, openRegistrySource, parseImageLocation } = await import("@runlet/image");
  const location = parseImageLocation(text);
  if (location.transport === "docker") {
    const { registry, repository, tag, digest } = location.reference;
    const access = await registryAccess(options, registry);
    const source = openRegistrySource({ host: registry, repository, mirrors: options.mirror, ...access });
    return opened(source, digest ?? tag, defaultImageName(location));
  }
  const source = await openFile(location);
  const only = source.references.length === 1 ? source.references[0] : undefined;
  return opened(source, location.name, defaultImageName(location, only));
}

/** The transport says what the file is; what is both a layout and a docker archive can be read as either. */
async function openFile({ transport, hostPath }: Extract<ImageLocation, { hostPath: string }>): Promise<FileSource> {
  const { DockerArchiveSource, LayoutSource } = await import("@runlet/image");
  return transport === "docker-archive" ? DockerArchiveSource.open(hostPath) : LayoutSource.open(hostPath);
}

function opened(source: ImageSource, reference: string | undefined, name: string | undefined): OpenedSource {
  return { source, reference, name, [Symbol.asyncDispose]: () => Promise.resolve(source[Symbol.asyncDispose]()) };
}
