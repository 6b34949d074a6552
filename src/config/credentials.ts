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

/** Finds what is known for a registry, and within it for a repository. Asked only when a registry asks for it. */
export interface CredentialSource {
  find(
    host: string,
    options?: { readonly repository?: string; readonly signal?: AbortSignal },
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
