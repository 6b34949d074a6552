import { GantryError } from "../../../base/error.ts";
import type { Credential } from "../../../config/credentials.ts";
import { isPrivateAddress } from "../../../transport/addresses.ts";
import type { Transport } from "../../../transport/transport.ts";

/**
 * The URL of the token server that a challenge names. It must be https, unless the registry itself speaks http, and may
 * be at a private address only if the registry is.
 * @throws INVALID_RESPONSE, REDIRECT_REFUSED
 */
export function realmUrl(realm: string, registry: URL, transport: Transport): URL {
  const url = URL.canParse(realm) ? new URL(realm) : undefined;
  const plain = url?.protocol === "http:" && registry.protocol === "http:";
  if (!url || !(url.protocol === "https:" || plain)) {
    throw new GantryError(
      "INVALID_RESPONSE",
      `${registry.host} asks for a token from ${JSON.stringify(transport.redact(realm).slice(0, 200))}, which is not an https URL`,
    );
  }
  if (isPrivateAddress(url.hostname) && !transport.isPrivate(registry.hostname)) {
    throw new GantryError(
      "REDIRECT_REFUSED",
      `${registry.host} asks for a token from the private address ${transport.redact(url.host)}; a public registry may not name one`,
    );
  }
  return url;
}

/** A password goes only to a token server that may share the registry's secrets. @throws REDIRECT_REFUSED */
export async function requireTrusted(
  realm: URL,
  { from }: Credential,
  registry: { readonly name: string; readonly url: URL; readonly trustedRealms: readonly string[] | undefined },
  transport: Transport,
): Promise<void> {
  const { mayShareSecrets } = await import("../../../config/trust.ts");
  if (await mayShareSecrets(registry.url, realm, registry.trustedRealms)) return;
  const { redact } = transport;
  throw new GantryError(
    "REDIRECT_REFUSED",
    `${registry.name} names the token server ${redact(realm.host)}, which is in another domain; the password (from ${from}) was not sent. If you trust that server, allow it with --trust-realm ${redact(realm.hostname)}`,
    { details: { realm: redact(realm.host) } },
  );
}
