/** What a registry wants to hear from somebody it knows. Values are secrets; `from` may be shown. */
export type Credential = (
  | { readonly kind: "password"; readonly username: string; readonly password: string }
  /** A refresh token, which buys others (OAuth2; Azure and Docker Hub hand them out). */
  | { readonly kind: "identity"; readonly token: string }
  /** A token that is sent as it is. */
  | { readonly kind: "registry"; readonly token: string }
) & {
  /** Where it was found: a file, or a helper. */
  readonly from: string;
};

/** Control characters, which neither a name nor a password may have (RFC 7617 section 2). */
const control = /[\u0000-\u001f\u007f]/;

/** Why a name cannot be sent to a registry; undefined where it can. */
export function usernameFault(username: string): string | undefined {
  if (username.includes(":")) return "has a colon, which ends a user name";
  return secretFault(username);
}

/** Why a password or a refresh token cannot be sent; undefined where it can. */
export function secretFault(secret: string): string | undefined {
  return control.test(secret) ? "has a line break or another control character" : undefined;
}

/** Why a token cannot stand in a header as it is (RFC 6750 section 2.1); undefined where it can. */
export function tokenFault(token: string): string | undefined {
  return /^[\x21-\x7e]+$/.test(token) ? undefined : "has a space, a line break or another character that no token has";
}

/** Finds what is known for a registry, and within it for a repository. Asked only when a registry asks for it. */
export interface CredentialSource {
  /** Sources of the same identity answer the same, and share tokens. Default: each is another one. */
  readonly identity?: string | undefined;
  find(
    host: string,
    options?: { readonly repository?: string | undefined; readonly signal?: AbortSignal | undefined },
  ): Promise<Credential | undefined>;
}

/** What Docker's files and helpers call the Hub. */
export const HUB_SERVER = "https://index.docker.io/v1/";

const hubHosts = ["docker.io", "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com", "www.docker.io"];

/** The names under which files may keep what is known for a host, best first; for the Hub, under any of its names. */
export function serverKeys(host: string): readonly string[] {
  const hosts = hubHosts.includes(host) ? hubHosts : [host];
  const urls = hosts.flatMap((name) => [
    `https://${name}/v1/`,
    `https://${name}/v2/`,
    `https://${name}/`,
    `https://${name}`,
    `http://${name}`,
    `http://${name}/v1/`,
  ]);
  return hubHosts.includes(host) ? [HUB_SERVER, ...hosts, ...urls] : [...hosts, ...urls];
}

/** Whether a key that is written as an address (`https://ghcr.io/v2`, `ghcr.io/`) means the host. */
export function isAddressOf(key: string, host: string): boolean {
  if (!/^https?:\/\//.test(key) && !/\/(?:v[12]\/?)?$/.test(key)) return false;
  const named = key.replace(/^https?:\/\//, "").replace(/\/.*$/, "");
  return named === host || (hubHosts.includes(host) && hubHosts.includes(named));
}

/** The name under which helpers keep what is known for a host. */
export function helperServer(host: string): string {
  return hubHosts.includes(host) ? HUB_SERVER : host;
}
