/** The name of Docker Hub in Docker's files and helpers. */
export const HUB_SERVER = "https://index.docker.io/v1/";

const hubHosts = ["docker.io", "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com", "www.docker.io"];

/** The keys under which files may have an entry for a host, best first; for Docker Hub, under any of its names. */
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

/** The name of a host for credential helpers. */
export function helperServer(host: string): string {
  return hubHosts.includes(host) ? HUB_SERVER : host;
}
