import { lookup } from "node:dns/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { GantryError, messageOf } from "../base/error.ts";
import type { Registry } from "../registry/registry.ts";
import { isLoopback } from "./access.ts";
import { type HandlerOptions, registryHandler } from "./handler.ts";

const DEFAULT_HOST = "127.0.0.1";

export interface ServeOptions extends HandlerOptions {
  /** Default: 127.0.0.1, reachable from this machine only. */
  readonly host?: string | undefined;
  /** Default: 0, any free port. */
  readonly port?: number | undefined;
}

/** A registry that answers over HTTP. */
export interface Service {
  /** `127.0.0.1:5000`: the host part of references to it. */
  readonly host: string;
  readonly server: Server;
  /** Ends connections and stops. The registry behind it is left to its owner. */
  close(): Promise<void>;
}

/** @throws CONNECTION_FAILED where the address cannot be had, USAGE for names and origins that are none */
export async function serve(registry: Registry, options: ServeOptions = {}): Promise<Service> {
  const handler = registryHandler(registry, { ...options, allowHosts: await allowedHosts(options) });
  return listen(createServer({ maxHeaderSize: 64 << 10 }, handler), options);
}

/** Beyond loopback a server has names that only its network knows: they are checked where they are given. */
async function allowedHosts({ allowHosts, host = DEFAULT_HOST }: ServeOptions): Promise<readonly string[]> {
  if (allowHosts) return allowHosts;
  const { address } = await lookup(host).catch(() => ({ address: host }));
  return isLoopback(address) ? [host] : ["*"];
}

/** Starts any HTTP server the way {@link serve} does. */
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
