import { GantryError } from "../base/error.ts";
import { checkLimit, type Limits } from "../base/limits.ts";
import { hostnameOf, isPrivateAddress } from "./addresses.ts";
import type { HttpRequest, HttpResponse } from "./message.ts";
import type { Peers } from "./peers.ts";
import { redactUrl } from "./redact.ts";

const REDIRECT_STATUS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

/** One step of a redirect chain: an address, and what may be sent there. */
export interface Hop {
  readonly url: URL;
  /** Whether it is the home host, and no redirect has left it. Only then the client certificate and headers are sent. */
  readonly own: boolean;
  /** Whether a redirect has ever left the origin of the request: then Authorization is no longer sent. */
  readonly left: boolean;
  /** Whether its name must not resolve to a private address. */
  readonly publicOnly: boolean;
}

export interface RedirectRules {
  /** The host that the transport is for, with its port where the URL has one. */
  readonly home: string;
  readonly peers: Peers;
  readonly limits: Limits;
  /** Makes a text safe to show. */
  readonly redact: (text: string) => string;
}

/**
 * Sends a request, and follows redirects hop by hop.
 * @returns the first answer that is no redirect, or the redirect that the request does not follow
 * @throws REDIRECT_REFUSED, INVALID_RESPONSE, LIMIT_EXCEEDED
 */
export async function followRedirects(
  request: HttpRequest,
  rules: RedirectRules,
  send: (hop: Hop) => Promise<HttpResponse>,
): Promise<HttpResponse> {
  const follows = request.method === "GET" || request.method === "HEAD";
  let hop = hopTo(request.url, request, rules, false);
  for (let redirects = 1; ; redirects += 1) {
    const response = await send(hop);
    if (!follows || !REDIRECT_STATUS.has(response.status)) return response;
    const next = await redirectOf(response, hop.url);
    if (request.redirects === "own" && next.origin !== request.url.origin) return response;
    await response.discard();
    const chain = `${rules.redact(redactUrl(request.url))}: the chain of redirects`;
    checkLimit(rules.limits, "redirects", redirects, chain);
    hop = hopTo(next, request, rules, hop.left);
  }
}

function hopTo(url: URL, request: HttpRequest, { home, peers }: RedirectRules, leftBefore: boolean): Hop {
  const left = leftBefore || url.origin !== request.url.origin;
  // The home may be written with the default port of the protocol.
  const isHome = new URL(`${url.protocol}//${home}/`).host === url.host;
  const hostname = hostnameOf(home);
  return {
    url,
    left,
    own: isHome && !left && !request.anonymous,
    // A home that was found at a public address must stay at one, whatever its name resolves to later.
    publicOnly: isHome ? peers.isPublic(hostname) : !peers.isPrivate(hostname),
  };
}

async function redirectOf(response: HttpResponse, url: URL): Promise<URL> {
  try {
    return nextHop(url, response.headers["location"], response);
  } catch (error) {
    await response.discard();
    throw error;
  }
}

/**
 * Where a redirect, or the Location of an upload, leads. From https, an `http:` address of the same host, which
 * registries behind a proxy send, becomes https; one of another host is refused. A public host may not lead to a private
 * address; the addresses of a name are checked when the connection is made.
 * @param response the response with the Location
 * @throws REDIRECT_REFUSED, INVALID_RESPONSE
 */
export function nextHop(
  from: URL,
  location: string | undefined,
  response: Pick<HttpResponse, "isPrivate" | "redact">,
): URL {
  const shown = response.redact(redactUrl(from));
  if (!location) throw new GantryError("INVALID_RESPONSE", `${shown} redirects without a Location`);
  const to = URL.canParse(location, from.href) ? new URL(location, from) : undefined;
  if (!to || (to.protocol !== "http:" && to.protocol !== "https:")) {
    throw new GantryError("REDIRECT_REFUSED", `${shown} redirects to an address that is not an http or https URL`);
  }
  // Credentials in an address that a server names are never sent.
  to.username = "";
  to.password = "";
  if (from.protocol === "https:" && to.protocol === "http:") {
    if (to.hostname !== from.hostname) {
      throw new GantryError("REDIRECT_REFUSED", `${shown} redirects from https to ${response.redact(redactUrl(to))}`);
    }
    to.protocol = "https:";
    // The port in the Location speaks http; the port of this request speaks https.
    to.port = from.port;
  }
  if (isPrivateAddress(to.hostname) && !response.isPrivate) {
    throw new GantryError(
      "REDIRECT_REFUSED",
      `${shown} redirects to the private address ${response.redact(to.host)}; a public registry may not lead there`,
    );
  }
  return to;
}
