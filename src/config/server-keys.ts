import { dockerHubNames } from "../reference/reference.ts";

/** The name of Docker Hub in Docker's files and helpers. */
export const HUB_SERVER = "https://index.docker.io/v1/";

/** The keys under which files may have an entry for a host, best first; for Docker Hub, under any of its names. */
export function serverKeys(host: string): readonly string[] {
  const isHub = dockerHubNames.has(host);
  const hosts = isHub ? [...dockerHubNames] : [host];
  const urls = hosts.flatMap((name) => [
    `https://${name}/v1/`,
    `https://${name}/v2/`,
    `https://${name}/`,
    `https://${name}`,
    `http://${name}`,
    `http://${name}/v1/`,
  ]);
  return isHub ? [HUB_SERVER, ...hosts, ...urls] : [...hosts, ...urls];
}

/** Whether a key that is written as an address (`https://ghcr.io/v2`, `ghcr.io/`) means the host. */
export function isAddressOf(key: string, host: string): boolean {
  if (!/^https?:\/\//.test(key) && !/\/(?:v[12]\/?)?$/.test(key)) return false;
  const named = key.replace(/^https?:\/\//, "").replace(/\/.*$/, "");
  return named === host || (dockerHubNames.has(host) && dockerHubNames.has(named));
}

/** The name of a host for credential helpers. */
export function helperServer(host: string): string {
  return dockerHubNames.has(host) ? HUB_SERVER : host;
}
