import { lookup } from "node:dns/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { GantryError, messageOf } from "../base/error.ts";
import type { RegistryParts } from "../registry/complete.ts";
import { isLoopbackName } from "./access.ts";
import { type HandlerOptions, registryHandler } from "./handler.ts";

const DEFAULT_HOST = "127.0.0.1";

export interface ServeOptions extends HandlerOptions {
  /** Default: 127.0.0.1, reachable from this machine only. */
  readonly host?: string | undefined;
  /** Default: 0, any free port. */
  readonly port?: number | undefined;
}

/** A running server. */
export interface Service {
  /** `127.0.0.1:5000`: the host part of references to it. */
  readonly host: string;
  readonly server: Server;
  /** Closes all connections and stops listening. The registry stays open; its owner closes it. */
  close(): Promise<void>;
}

/**
 * Serves a registry over HTTP. See {@link registryHandler} for what it accepts.
 * @throws CONNECTION_FAILED where it cannot listen on the address, USAGE for names and origins that are not valid
 */
export async function serve(registry: RegistryParts, options: ServeOptions = {}): Promise<Service> {
  const handler = registryHandler(registry, { ...options, allowHosts: await allowedHosts(options) });
  return listen(createServer({ maxHeaderSize: 64 << 10 }, handler), options);
}

/** Only its network knows the names of a server that is not on loopback: without `allowHosts` it answers any name. */
async function allowedHosts({ allowHosts, host = DEFAULT_HOST }: ServeOptions): Promise<readonly string[]> {
  if (allowHosts) return allowHosts;
  const { address } = await lookup(host).catch(() => ({ address: host }));
  return isLoopbackName(address) ? [host] : ["*"];
}

/** Lets any HTTP server listen, with the timeouts of {@link serve}. */
export async function listen(
  server: Server,
  options: { readonly host?: string | undefined; readonly port?: number | undefined } = {},
): Promise<Service> {
  const host = options.host ?? DEFAULT_HOST;
  server.headersTimeout = 30_000;
  server.requestTimeout = 0;
  server.timeout = 120_000;
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error) => {
      const message = `cannot listen on ${host}:${options.port ?? 0}: ${messageOf(error)}; choose another address with --listen`;
      reject(new GantryError("CONNECTION_FAILED", message, { cause: error }));
    });
    server.listen(options.port ?? 0, host, resolve);
  });
  const { address, port, family } = server.address() as AddressInfo;
  return {
    host: family === "IPv6" ? `[${address}]:${port}` : `${address}:${port}`,
    server,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
