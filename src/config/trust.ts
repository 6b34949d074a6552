/** Token servers of registries that are of the same house, though their names do not say so. */
const sameHouse: ReadonlyMap<string, string> = new Map([
  ["registry-1.docker.io", "auth.docker.io"],
  ["registry.gitlab.com", "gitlab.com"],
  ["lscr.io", "ghcr.io"],
]);

/**
 * Whether a password for one host may be sent to the token server that it names: to itself, to a host of the same
 * registrable domain (by the public suffix list: `a.co.uk` and `b.co.uk` are strangers), to one of a built-in table,
 * or to one that the user vouches for.
 */
export async function mayShareSecrets(registry: URL, realm: URL, trusted: readonly string[] = []): Promise<boolean> {
  if (realm.hostname === registry.hostname) return true;
  if (sameHouse.get(registry.hostname) === realm.hostname) return true;
  if (trusted.includes(realm.hostname) || trusted.includes(realm.host)) return true;
  const { getDomain } = await import("tldts");
  const domain = getDomain(registry.hostname, { allowPrivateDomains: true });
  return domain !== null && domain === getDomain(realm.hostname, { allowPrivateDomains: true });
}
