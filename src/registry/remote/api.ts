import { isGantryError } from "../../base/error.ts";
import { apiHost, type RepoName } from "../../reference/reference.ts";
import { parseDigest } from "../../spec/digest.ts";
import { isLoopback } from "../../transport/addresses.ts";
import type { HttpRequest, HttpResponse } from "../../transport/message.ts";
import type { Rate } from "../../transport/rate.ts";
import { isClosed, Transport, type TransportOptions } from "../../transport/transport.ts";
import type { CallOptions } from "../registry.ts";
import { type ClientSession, processSession } from "../session.ts";
import { Authenticator, type AuthenticatorOptions } from "./auth.ts";
import { responseError } from "./errors.ts";
import type { UploadMemory } from "./sessions.ts";
import type { Exchange } from "./upload.ts";

export interface RemoteOptions extends Omit<TransportOptions, "home">, AuthenticatorOptions {
  /**
   * Speak http, or TLS without a look at the certificate, whichever the registry speaks. Loopback hosts are asked
   * which one they speak anyhow; all others are spoken to in https.
   */
  readonly insecure?: boolean | undefined;
  /** Files or directories of certificates (PEM) to trust beside those that the system trusts. */
  readonly caFiles?: readonly string[] | undefined;
  /** Where the API is, where that does not follow from the host: `https://mirror.example/v2/hub/`. */
  readonly endpoint?: URL | undefined;
  /** Sent with each request that reads, as mirrors want to know whom they stand for (`ns=docker.io`). */
  readonly namespace?: string | undefined;
  /**
   * Requests that the registry may be asked, a minute and at once, by all of the session. Default: 300 for docker.io,
   * else no bound.
   */
  readonly rate?: Rate | undefined;
  /** Where unfinished uploads are remembered, so that the next process goes on with them. Default: nowhere. */
  readonly uploads?: UploadMemory | undefined;
  /** What the limiter, the tokens and the connections are shared with. Default: all of this process. */
  readonly session?: ClientSession | undefined;
}

/** What a 404 without a code means. */
export type MissingCode = "MANIFEST_UNKNOWN" | "BLOB_UNKNOWN" | "NAME_UNKNOWN" | "BLOB_UPLOAD_UNKNOWN";

/** The API of one registry: where it is, who we are to it, and what its answers mean. */
export class Api {
  readonly name: string;
  readonly transport: Transport;
  readonly #options: RemoteOptions;
  readonly #session: ClientSession;
  readonly #identity: string;
  #base: Promise<{ url: URL; auth: Authenticator }> | undefined;

  /** @param host host with optional port, as in a reference: `docker.io`, `127.0.0.1:5000` */
  constructor(host: string, options: RemoteOptions = {}) {
    this.name = host;
    const home = options.endpoint?.host ?? apiHost(host);
    const session = options.session ?? processSession;
    const { connections, identity } = session.connections({ ...options, name: host, home });
    const limiter = options.limiter ?? session.limiter(home, options.rate);
    this.transport = new Transport({ ...options, home, limiter }, connections);
    this.#options = options;
    this.#session = session;
    this.#identity = identity;
  }

  /** Where the API is, found out at the first use. */
  connect(): Promise<{ url: URL; auth: Authenticator }> {
    this.#base ??= this.#probe().then((url) => ({
      url,
      auth: new Authenticator(this.name, url, this.transport, {
        ...this.#options,
        tokens: this.#session.tokens,
        identity: this.#identity,
      }),
    }));
    this.#base.catch(() => {
      this.#base = undefined;
    });
    return this.#base;
  }

  async #probe(): Promise<URL> {
    const host = apiHost(this.name);
    const https = this.#options.endpoint ?? new URL(`https://${host}/v2/`);
    const asks = this.#options.insecure || (isLoopback(https.hostname) && !this.#options.endpoint);
    if (https.protocol === "http:" || !asks) return https;
    // A request without secrets tells which protocol is spoken. A TLS server answers plain HTTP with 400 or not at all.
    const plain = new URL(https);
    plain.protocol = "http:";
    try {
      const response = await this.transport.send({ method: "GET", url: plain, anonymous: true });
      await response.discard();
      return response.status === 400 || response.url.protocol === "https:" ? https : plain;
    } catch (error) {
      if (isClosed(error)) throw error;
      if (isGantryError(error, "INVALID_RESPONSE", "REDIRECT_REFUSED")) return https;
      if (isGantryError(error, "CONNECTION_FAILED") && (error.details["errno"] !== "ECONNREFUSED" || !plain.port)) {
        return https;
      }
      throw error;
    }
  }

  /** @param rest what follows the repository: `blobs/sha256:...`. @throws UNSUPPORTED_ALGORITHM */
  async url(repo: RepoName, rest: string): Promise<URL> {
    // Of all that a path can name, digests alone have a colon.
    const name = rest.slice(rest.indexOf("/") + 1);
    if (name.includes(":")) parseDigest(name, `${this.name}/${repo}`);
    const url = new URL(`${repo}/${rest}`, (await this.connect()).url);
    if (this.#options.namespace) url.searchParams.set("ns", this.#options.namespace);
    return url;
  }

  /** One request for a repository, with a token where the registry asks for one; any other status is an error. */
  async send(
    scope: string,
    request: Omit<HttpRequest, "authorization">,
    expected: readonly number[],
    asked: string,
    missing: MissingCode,
  ): Promise<HttpResponse> {
    const { auth, url } = await this.connect();
    // An upload or a page may be anywhere; who we are is for the registry alone.
    const own = request.url.origin === url.origin;
    const canRepeat = !(request.body && "pump" in request.body);
    if (own && !canRepeat) await auth.renew(scope, request.signal);
    let sent: string | undefined;
    const send = (): Promise<HttpResponse> => {
      sent = own ? auth.header(scope) : undefined;
      return this.transport.send({ ...request, ...(sent && { authorization: sent }) });
    };
    let response = await send();
    const asks = own && response.status === 401 && response.url.origin === url.origin;
    if (asks && canRepeat) {
      // Read to its end first: it holds a place at the host, which may be the token server's too.
      const refused = await response.bytes(this.transport.limits.errorBytes, asked).catch(() => Buffer.alloc(0));
      if (await auth.answer(response, scope, sent, request.signal)) response = await send();
      else throw await responseError(response, this.transport, asked, missing, refused);
    }
    if (expected.includes(response.status)) return response;
    if (response.status === 403 && sent !== undefined) auth.forget(scope, sent);
    throw await responseError(response, this.transport, asked, missing);
  }

  /** A request that reads a repository. */
  pull(
    repo: RepoName,
    request: Omit<HttpRequest, "authorization">,
    asked: string,
    missing: MissingCode,
    expected: readonly number[] = [200],
  ): Promise<HttpResponse> {
    return this.send(`repository:${repo}:pull`, request, expected, asked, missing);
  }

  /** How requests are made that change a repository, and read another where blobs are mounted from there. */
  push(repo: RepoName, missing: MissingCode, from?: RepoName): Exchange {
    const scope = `repository:${repo}:pull,push${from === undefined ? "" : ` repository:${from}:pull`}`;
    return (request, expected, asked) => this.send(scope, request, expected, asked, missing);
  }
}

/** Callers may hand over more than the interface asks for; a request takes the signal and nothing else. */
export function signalOf({ signal }: CallOptions): CallOptions {
  return signal ? { signal } : {};
}
