import { quote } from "@runlet/errors";
import type { CopyResult } from "@runlet/image";

/** What a user should know of an image whose manifest was converted on its way; undefined of one that was not. */
export function describeConversion(name: string, sourceDigest: string, { target }: CopyResult): string | undefined {
  const { digest } = target.descriptor;
  if (digest === sourceDigest) return undefined;
  return `${quote(name)}: an image layout takes manifests of the OCI image specification only, so that of ${sourceDigest} was converted and has the digest ${digest}`;
}
