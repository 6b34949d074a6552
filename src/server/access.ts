import type { IncomingMessage, ServerResponse } from "node:http";
import { isIPv6 } from "node:net";
import { GantryError } from "../base/error.ts";

/** The names and the web pages that a server answers. @see docs/decisions/0005-what-a-server-answers.md */
export interface AccessOptions {
  /**
   * Names, without ports, that requests may have in Host in addition to loopback names. `*` allows any name.
   * Default: no other name for a connection over loopback, any name for other connections.
   */
  readonly allowHosts?: readonly string[] | undefined;
  /** Origins of web pages that may use this server: `https://ui.example`, or `*` for all. Default: none. */
  readonly allowOrigins?: readonly string[] | undefined;
}

/** The headers of an answer that a page of an allowed origin may read (Fetch, "CORS protocol"). */
const EXPOSED =
  "Docker-Content-Digest, Docker-Upload-UUID, ETag, Content-Range, Link, Location, OCI-Filters-Applied, OCI-Subject, OCI-Tag, Range";

/** Decides by Host and Origin whether a request is answered, before the rest of it is read. */
export class Access {
  readonly #hosts: ReadonlySet<string> | undefined;
  readonly #origins: ReadonlySet<string>;

  /** @throws USAGE for names and origins that are not valid */
  constructor({ allowHosts, allowOrigins }: AccessOptions = {}) {
    this.#hosts = allowHosts && new Set(allowHosts.map(parseAllowedHost));
    this.#origins = new Set((allowOrigins ?? []).map(parseAllowedOrigin));
  }

  /**
   * Refuses requests that a web page of another site caused, and requests for names that are not of this server.
   * @returns true if the request was the question of a browser which methods are allowed, and is already answered
   * @throws DENIED
   */
  check(request: IncomingMessage, response: ServerResponse): boolean {
    this.#checkHost(request);
    const { origin } = request.headers;
    if (!this.#allowsOrigin(origin, request.headers["sec-fetch-site"])) {
      const page = origin === undefined ? "a web page of another site" : `the web page ${origin}`;
      const advice = "to allow it, start the server with --allow-origin ORIGIN (allowOrigins in the library)";
      throw new GantryError("DENIED", `${page} may not use this server; ${advice}`);
    }
    if (origin === undefined) return false;
    response.setHeader("access-control-allow-origin", origin);
    response.setHeader("access-control-expose-headers", EXPOSED);
    response.setHeader("vary", "Origin");
    if (request.method !== "OPTIONS") return false;
    const headers = request.headers["access-control-request-headers"];
    response.setHeader("access-control-allow-methods", "GET, HEAD, POST, PUT, PATCH, DELETE");
    if (headers !== undefined) response.setHeader("access-control-allow-headers", headers);
    response.writeHead(204).end();
    return true;
  }

  #allowsOrigin(origin: string | undefined, site: string | string[] | undefined): boolean {
    if (origin === undefined) return site !== "cross-site" || this.#origins.has("*");
    return this.#origins.has(origin.toLowerCase()) || this.#origins.has("*");
  }

  #checkHost({ headers, socket }: IncomingMessage): void {
    if (this.#hosts?.has("*") || (!this.#hosts && !isLoopbackName(socket.localAddress ?? ""))) return;
    const name = hostOf(headers.host ?? "");
    if (name !== undefined && (isLoopbackName(name) || this.#hosts?.has(name))) return;
    const advice =
      "to answer requests for it, as behind a proxy, start the server with --allow-host NAME (allowHosts in the library)";
    throw new GantryError("DENIED", `${JSON.stringify(headers.host ?? "")} is not a name of this server; ${advice}`);
  }
}

/** Whether a name without a port means this machine: `localhost`, names below it (RFC 6761), 127.0.0.0/8, ::1. */
export function isLoopbackName(name: string): boolean {
  return /^(?:(?:.+\.)?localhost|(?:::ffff:)?127(?:\.\d{1,3}){3}|::1)$/i.test(name);
}

/** The name in a Host header or a `--allow-host`, in one spelling: no port, no brackets, no final dot. */
function hostOf(text: string): string | undefined {
  const match = /^(?:\[([0-9a-f:.]+)\]|([^\s:/@[\]]+?)\.?)(?::\d+)?$/i.exec(text);
  return (match?.[1] ?? match?.[2])?.toLowerCase();
}

function parseAllowedHost(text: string): string {
  if (text === "*") return text;
  const name = isIPv6(text) ? hostOf(`[${text}]`) : /:\d+$/.test(text) ? undefined : hostOf(text);
  if (name !== undefined) return name;
  throw new GantryError(
    "USAGE",
    `--allow-host ${text}: expected a name without a port, such as registry.example, or *`,
  );
}

function parseAllowedOrigin(text: string): string {
  if (text === "*" || text === "null") return text;
  const origin = URL.canParse(text) ? new URL(text).origin : "null";
  if (origin !== "null" && text.toLowerCase() === origin) return origin;
  throw new GantryError("USAGE", `--allow-origin ${text}: expected an origin, such as https://ui.example, or *`);
}
