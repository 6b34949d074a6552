import { isIP } from "node:net";

/** Whether a host is this machine: exactly `localhost`, an address in 127.0.0.0/8, or ::1. */
export function isLoopback(hostname: string): boolean {
  const host = bare(hostname);
  if (host === "localhost") return true;
  if (isIP(host) === 4) return host.startsWith("127.");
  return isIP(host) === 6 && canonicalIPv6(host) === "::1";
}

/** A host in lower case, without the brackets of a URL and without an IPv6 zone (`%eth0`). */
function bare(hostname: string): string {
  return hostname
    .replace(/^\[|\]$/g, "")
    .replace(/%.*$/, "")
    .toLowerCase();
}

function canonicalIPv6(host: string): string {
  return new URL(`http://[${host}]/`).hostname.replace(/^\[|\]$/g, "");
}

/** Whether a host is an address of this machine or this network: loopback, link-local, private, or not unicast. */
export function isPrivateAddress(hostname: string): boolean {
  // Names below localhost resolve to this machine too (RFC 6761). isLoopback allows plain http, so it excludes them.
  if (isLoopback(hostname) || /(?:^|\.)localhost\.?$/i.test(hostname)) return true;
  const host = bare(hostname);
  if (isIP(host) === 4) {
    const [a, b, c] = host.split(".").map(Number) as [number, number, number];
    return (
      a === 10 ||
      a === 0 ||
      a >= 224 ||
      (a === 100 && b >= 64 && b < 128) ||
      (a === 172 && b >= 16 && b < 32) ||
      (a === 192 && b === 168) ||
      (a === 192 && b === 0 && c === 0) ||
      (a === 198 && (b === 18 || b === 19)) ||
      (a === 169 && b === 254)
    );
  }
  if (isIP(host) !== 6) return false;
  const address = canonicalIPv6(host);
  if (address === "::") return true;
  // IPv4 within IPv6: mapped, compatible, or translated by a gateway.
  const mapped = /^(?:::ffff:|::|64:ff9b::)([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(address);
  if (mapped) return isPrivateAddress(dotted(mapped[1]!, mapped[2]!));
  const sixToFour = /^2002:([0-9a-f]{1,4}):([0-9a-f]{1,4}):/.exec(address);
  if (sixToFour) return isPrivateAddress(dotted(sixToFour[1]!, sixToFour[2]!));
  return /^(?:fe[89a-f]|f[cd]|ff|64:ff9b:1:)/.test(address);
}

function dotted(high: string, low: string): string {
  const [a, b] = [Number.parseInt(high, 16), Number.parseInt(low, 16)];
  return [a >> 8, a & 255, b >> 8, b & 255].join(".");
}

/** The host without its port; IPv6 addresses keep their brackets. */
export const hostnameOf = (host: string): string => new URL(`http://${host}/`).hostname;
