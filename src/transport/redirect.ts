import { isIP } from "node:net";
import { GantryError } from "../base/error.ts";
import { redactUrl } from "./redact.ts";

/** True for hosts that are this machine: exact names and addresses, never a suffix or a prefix. */
export function isLoopback(hostname: string): boolean {
  const host = hostname.replace(/^\[|\]$/g, "").toLowerCase();
  if (host === "localhost") return true;
  if (isIP(host) === 4) return host.startsWith("127.");
  return isIP(host) === 6 && canonicalIPv6(host) === "::1";
}

function canonicalIPv6(host: string): string {
  return new URL(`http://[${host}]/`).hostname.replace(/^\[|\]$/g, "");
}

/** Addresses that only mean something on this machine or this network: loopback, link-local, private. */
export function isPrivateAddress(hostname: string): boolean {
  // Names that resolvers send home, spelled in ways that nobody is meant to be spoken to in plain http for.
  if (isLoopback(hostname) || /(?:^|\.)localhost\.?$/i.test(hostname)) return true;
  const host = hostname.replace(/^\[|\]$/g, "").toLowerCase();
  if (isIP(host) === 4) {
    const [a, b] = host.split(".").map(Number) as [number, number];
    return (
      a === 10 ||
      a === 0 ||
      (a === 100 && b >= 64 && b < 128) ||
      (a === 172 && b >= 16 && b < 32) ||
      (a === 192 && b === 168) ||
      (a === 169 && b === 254)
    );
  }
  if (isIP(host) !== 6) return false;
  const address = canonicalIPv6(host);
  if (address === "::") return true;
  // IPv4 within IPv6: mapped, compatible, and translated by a gateway.
  const mapped = /^(?:::ffff:|::|64:ff9b::)([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(address);
  if (mapped) {
    const [high, low] = [Number.parseInt(mapped[1]!, 16), Number.parseInt(mapped[2]!, 16)];
    return isPrivateAddress([high >> 8, high & 255, low >> 8, low & 255].join("."));
  }
  return /^(?:fe[89ab]|f[cd])/.test(address);
}

/**
 * Where a redirect, or a Location to upload to, leads. The protocol never gets weaker: `http:` of the same host is
 * tried as https, as registries behind a proxy write it. From a public host none leads to a private address.
 * @throws REDIRECT_REFUSED, INVALID_RESPONSE
 */
export function nextHop(from: URL, location: string | undefined): URL {
  if (!location) throw new GantryError("INVALID_RESPONSE", `${redactUrl(from)} redirects, but names no Location`);
  const to = URL.canParse(location, from.href) ? new URL(location, from) : undefined;
  if (!to || (to.protocol !== "http:" && to.protocol !== "https:")) {
    throw new GantryError(
      "REDIRECT_REFUSED",
      `${redactUrl(from)} redirects to an address that is no http or https URL`,
    );
  }
  if (from.protocol === "https:" && to.protocol === "http:") {
    if (to.hostname !== from.hostname) {
      throw new GantryError("REDIRECT_REFUSED", `${redactUrl(from)} redirects from https to ${redactUrl(to)}`);
    }
    to.protocol = "https:";
  }
  if (isPrivateAddress(to.hostname) && !isPrivateAddress(from.hostname)) {
    throw new GantryError(
      "REDIRECT_REFUSED",
      `${redactUrl(from)} redirects to the private address ${to.host}, which a public registry has no business with`,
    );
  }
  return to;
}
