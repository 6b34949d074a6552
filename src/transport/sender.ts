import { channel } from "node:diagnostics_channel";
import { hostnameOf } from "./addresses.ts";
import type { Connections } from "./connections.ts";
import { exchange } from "./exchange.ts";
import { type HeaderOptions, requestHeaders } from "./headers.ts";
import { Incoming } from "./incoming.ts";
import type { Lifetime } from "./lifetime.ts";
import type { HttpResponse, StoppableRequest } from "./message.ts";
import { redactUrl } from "./redact.ts";
import type { Hop } from "./redirect.ts";
import { HostSlots } from "./slots.ts";

/** For `node:diagnostics_channel`: one message for each response, without secrets. */
const requests = channel("gantry:request");

export interface SenderOptions extends HeaderOptions {
  /** Milliseconds within which the headers of a response must arrive. Default 30,000. */
  readonly headerTimeout?: number | undefined;
  /** Milliseconds within which the next 16 KiB of a body, or its end, must arrive. Default 60,000. */
  readonly idleTimeout?: number | undefined;
  /** Requests to one host at once, bodies included. Uploads, downloads and others are counted separately. Default 8. */
  readonly maxPerHost?: number | undefined;
  /** Called with one redacted line for each response. */
  readonly debug?: ((line: string) => void) | undefined;
}

interface Shared {
  readonly connections: Connections;
  readonly lifetime: Lifetime;
  readonly redact: (text: string) => string;
}

/** Sends a request at one hop: within a slot of its host, over one connection, with secrets that the hop may see. */
export class Sender {
  readonly #options: SenderOptions;
  readonly #shared: Shared;
  readonly #slots: HostSlots;
  /** Ends the use of the connections; absent while they are not used. */
  #release: ((keepIdle: boolean) => void) | undefined;

  constructor(options: SenderOptions, shared: Shared) {
    this.#options = options;
    this.#shared = shared;
    this.#slots = new HostSlots(options.maxPerHost ?? 8);
  }

  /** @param home the host that the transport is for */
  async send(request: StoppableRequest, hop: Hop, home: string): Promise<HttpResponse> {
    const release = await this.#slots.acquire(hop.url.host, request);
    try {
      return await this.#exchange(request, hop, home, release);
    } catch (error) {
      release();
      throw error;
    }
  }

  /** @param release releases the slot at the end of the response */
  async #exchange(request: StoppableRequest, hop: Hop, home: string, release: () => void): Promise<HttpResponse> {
    const { connections, lifetime, redact } = this.#shared;
    const { headerTimeout = 30_000, idleTimeout: idle = 60_000, debug } = this.#options;
    const { authorization, closed, method, patience = 0, signal } = request;
    const { url } = hop;
    closed.throwIfAborted();
    this.#release ??= connections.use();
    const connection = await connections.to(hop);
    closed.throwIfAborted();
    // Without its scheme: `Bearer`, `Basic`.
    if (authorization) connections.secrets.add(authorization.replace(/^\S+ /, ""));
    const shown = redact(redactUrl(url));
    const asked = `${method} ${shown}`;
    const headers = requestHeaders(request, hop, this.#options);
    const started = performance.now();
    const message = await exchange(request, connection, {
      url,
      headers,
      asked,
      timeout: headerTimeout + patience,
      redact,
      lifetime,
    });
    const ms = Math.round(performance.now() - started);
    const { proxy } = connection;
    debug?.(`${asked} ${message.statusCode} ${ms} ms${proxy ? ` through ${proxy.host}` : ""}`);
    if (requests.hasSubscribers) requests.publish({ method, url: shown, status: message.statusCode, ms });
    // Behind a proxy the address is that of the proxy.
    const { remoteAddress } = message.socket;
    if (!proxy && remoteAddress) connections.peers.note(url.hostname, remoteAddress);
    const isPrivate = connections.peers.isPrivate(hostnameOf(home));
    return new Incoming(message, { url, isPrivate, asked, redact, idle, signal, release });
  }

  /** Ends the use of the connections until the next request. @param keepIdle leave idle connections open for a moment */
  close(keepIdle: boolean): void {
    this.#release?.(keepIdle);
    this.#release = undefined;
  }
}
