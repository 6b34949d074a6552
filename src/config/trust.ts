/** Registries whose token server has another domain, and that server. */
const knownRealms: ReadonlyMap<string, string> = new Map([
  ["registry-1.docker.io", "auth.docker.io"],
  ["registry.gitlab.com", "gitlab.com"],
  ["lscr.io", "ghcr.io"],
]);

/**
 * Whether a password for a registry may be sent to the token server that the registry names: itself, a host of the same
 * registrable domain (by the public suffix list, so that `a.co.uk` and `b.co.uk` are different owners), the one of a
 * built-in table, or one that the user trusts.
 * @param trusted host names, with or without a port
 */
export async function mayShareSecrets(registry: URL, realm: URL, trusted: readonly string[] = []): Promise<boolean> {
  if (realm.hostname === registry.hostname) return true;
  if (knownRealms.get(registry.hostname) === realm.hostname) return true;
  if (trusted.includes(realm.hostname) || trusted.includes(realm.host)) return true;
  const { getDomain } = await import("tldts");
  const domain = getDomain(registry.hostname, { allowPrivateDomains: true });
  return domain !== null && domain === getDomain(realm.hostname, { allowPrivateDomains: true });
}
