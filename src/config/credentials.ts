/** What identifies a client to a registry. Values are secrets; `from` may be shown. */
export type Credential = (
  | { readonly kind: "password"; readonly username: string; readonly password: string }
  /** A refresh token, which is exchanged for others (OAuth2; Azure and Docker Hub issue them). */
  | { readonly kind: "identity"; readonly token: string }
  /** A token that is sent unchanged. */
  | { readonly kind: "registry"; readonly token: string }
) & {
  /** Where it was found: a file or a helper. */
  readonly from: string;
};

/** Finds the credential for a registry, or for one of its repositories. Called only when the registry asks for one. */
export interface CredentialSource {
  /** Sources of the same identity give the same credentials, and share tokens. Default: each source is its own. */
  readonly identity?: string | undefined;
  find(
    host: string,
    options?: { readonly repository?: string | undefined; readonly signal?: AbortSignal | undefined },
  ): Promise<Credential | undefined>;
}

/** Control characters, which neither a user name nor a password may have (RFC 7617 section 2). */
const control = /[\u0000-\u001f\u007f]/;

/** Why a user name cannot be sent to a registry; undefined where it can. */
export function usernameFault(username: string): string | undefined {
  if (username.includes(":")) return "has a colon, which ends a user name";
  return secretFault(username);
}

/** Why a password or a refresh token cannot be sent; undefined where it can. */
export function secretFault(secret: string): string | undefined {
  return control.test(secret) ? "has a line break or another control character" : undefined;
}

/** Why a token cannot be sent unchanged in a header (RFC 6750 section 2.1); undefined where it can. */
export function tokenFault(token: string): string | undefined {
  return /^[\x21-\x7e]+$/.test(token) ? undefined : "has a space, a line break or another character that no token has";
}
