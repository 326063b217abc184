/** What a registry is told about who asks. */
export type Credentials =
  | { readonly kind: "password"; readonly username: string; readonly password: string }
  /** A refresh token of OAuth 2, given to the token server. */
  | { readonly kind: "identityToken"; readonly token: string }
  /** A bearer token, given to the registry as it is. */
  | { readonly kind: "registryToken"; readonly token: string };

/** User name by which a credential helper says that its secret is an identity token. */
const identityTokenUser = "<token>";

/**
 * The credentials of a user name and a secret, as helpers and auth files have them.
 *
 * @returns undefined where both are empty.
 */
export function readCredentials(username: string, secret: string): Credentials | undefined {
  if (username === "" && secret === "") return undefined;
  if (username === identityTokenUser) return { kind: "identityToken", token: secret };
  return { kind: "password", username, password: secret };
}

/** The value of an Authorization header by user name and password. @see RFC 7617 */
export function formatBasic(username: string, password: string): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;
}
