/** A name and what it stands for, as it can be pulled again: `localhost/web:1@sha256:…`. */
export function nameWithDigest(name: string, digest: string): string {
  return name.includes("@") ? name : `${name}@${digest}`;
}
