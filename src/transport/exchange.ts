import type { ClientRequest, IncomingMessage, OutgoingHttpHeaders } from "node:http";
import { errnoOf, GantryError, messageOf } from "../base/error.ts";
import type { Connection } from "./connections.ts";
import { connectionError } from "./failure.ts";
import type { Lifetime } from "./lifetime.ts";
import { isStreamed, type StoppableRequest } from "./message.ts";
import { type AnswerTimer, sendBody } from "./send-body.ts";

/** Bytes. Some registries send 20 KB of headers; Node's default is 16 KiB. */
const MAX_HEADER_SIZE = 64 << 10;
/** The most interim answers (1xx) that may precede the final one (RFC 9110 section 15.2). */
const MAX_INTERIM = 32;

export interface ExchangeOptions {
  readonly url: URL;
  readonly headers: OutgoingHttpHeaders;
  /** The request, for messages. */
  readonly asked: string;
  /** Milliseconds within which the headers of the response must arrive. */
  readonly timeout: number;
  readonly redact: (text: string) => string;
  readonly lifetime: Lifetime;
}

/**
 * Sends one request over one connection. @returns the response, whose body has not been read
 * @throws CONNECTION_FAILED, TIMEOUT, TLS_FAILED, INVALID_RESPONSE, CONFIG_INVALID, what the body of the request throws,
 * and the signal's own reason
 */
export function exchange(
  request: StoppableRequest,
  connection: Connection,
  options: ExchangeOptions,
): Promise<IncomingMessage> {
  const { body, signal } = request;
  const { asked, lifetime, redact, timeout } = options;
  return new Promise((resolve, reject) => {
    const outgoing = start(request, connection, options);
    lifetime.add(outgoing);
    const timer = new HeaderTimer(timeout, () => {
      outgoing.destroy(new GantryError("TIMEOUT", `${asked}: no answer within ${timeout / 1000} s`));
    });
    const onAbort = (): void => void outgoing.destroy(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    const settle = (): void => {
      timer.end();
      signal.removeEventListener("abort", onAbort);
    };
    limitInterim(outgoing, asked);
    outgoing.on("response", (incoming: IncomingMessage) => {
      settle();
      lifetime.remove(outgoing);
      lifetime.add(incoming);
      // A server that has sent its whole answer does not read the rest of the request.
      incoming.once("end", () => {
        if (!outgoing.writableEnded) outgoing.destroy();
      });
      resolve(incoming);
    });
    outgoing.on("error", (error) => {
      settle();
      if (signal.aborted) return reject(signal.reason);
      const secure = options.url.protocol === "https:";
      const { reusedSocket: reused } = outgoing;
      reject(connectionError(error, { asked, secure, certified: connection.certified, reused, redact }));
    });
    if (signal.aborted) return onAbort();
    if (isStreamed(body)) {
      sendBody(outgoing, body, signal, timer).catch((error: unknown) => {
        reject(error);
        outgoing.destroy();
      });
    } else {
      timer.restart();
      outgoing.end(body);
    }
  });
}

/** @throws CONFIG_INVALID for headers that HTTP cannot carry; the message names the header without its value */
function start(request: StoppableRequest, connection: Connection, { url, headers, asked }: ExchangeOptions) {
  const { method } = request;
  try {
    return connection.request(url, { ...connection.options, method, headers, maxHeaderSize: MAX_HEADER_SIZE });
  } catch (error) {
    if (!/^ERR_(?:INVALID_CHAR|INVALID_HTTP_TOKEN|HTTP_INVALID_HEADER_VALUE)$/.test(errnoOf(error) ?? "")) throw error;
    throw new GantryError("CONFIG_INVALID", `${asked}: a header cannot be sent: ${messageOf(error)}`);
  }
}

function limitInterim(outgoing: ClientRequest, asked: string): void {
  let interim = 0;
  outgoing.on("information", () => {
    interim += 1;
    if (interim <= MAX_INTERIM) return;
    const why = `${asked}: the server sent more than ${MAX_INTERIM} interim answers (1xx) and no final one`;
    outgoing.destroy(new GantryError("INVALID_RESPONSE", why));
  });
}

class HeaderTimer implements AnswerTimer {
  readonly #ms: number;
  readonly #onTimeout: () => void;
  #timer: NodeJS.Timeout | undefined;
  #ended = false;

  constructor(ms: number, onTimeout: () => void) {
    this.#ms = ms;
    this.#onTimeout = onTimeout;
  }

  restart(): void {
    this.pause();
    if (!this.#ended) this.#timer = setTimeout(this.#onTimeout, this.#ms);
  }

  pause(): void {
    clearTimeout(this.#timer);
  }

  end(): void {
    this.#ended = true;
    this.pause();
  }
}
