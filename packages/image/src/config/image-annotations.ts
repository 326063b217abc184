import type { ImageConfiguration } from "@runlet/spec";

/**
 * Annotations that a configuration implies, and its labels, which take precedence.
 *
 * @see OCI image specification, conversion.md#annotation-fields
 */
export function annotationsOf(configuration: ImageConfiguration): Record<string, string> {
  const { os, architecture, variant, author, created, config = {} } = configuration;
  const implied: Record<string, string | undefined> = {
    os,
    architecture,
    variant,
    "os.version": configuration["os.version"],
    "os.features": configuration["os.features"]?.join(","),
    author,
    created,
    stopSignal: config.StopSignal,
    exposedPorts: Object.keys(config.ExposedPorts ?? {}).join(","),
  };
  const annotations: Record<string, string> = {};
  for (const [key, value] of Object.entries(implied)) {
    if (value !== undefined && value !== "") annotations[`org.opencontainers.image.${key}`] = value;
  }
  return { ...annotations, ...config.Labels };
}
