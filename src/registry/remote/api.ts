import { Once } from "../../base/once.ts";
import { apiHost, type RepoName } from "../../reference/reference.ts";
import { parseDigest } from "../../spec/digest.ts";
import type { HttpRequest, HttpResponse } from "../../transport/message.ts";
import { Transport } from "../../transport/transport.ts";
import { processSession } from "../session.ts";
import { Authenticator } from "./auth/authenticator.ts";
import { responseError } from "./errors.ts";
import type { RemoteOptions } from "./options.ts";
import { apiUrl } from "./probe.ts";

/** The error code for a 404 response that names none. */
export type MissingCode = "MANIFEST_UNKNOWN" | "BLOB_UNKNOWN" | "NAME_UNKNOWN" | "BLOB_UPLOAD_UNKNOWN";

/** A request before it is authorised. */
export type ApiRequest = Omit<HttpRequest, "authorization">;

/** Sends one request with the credentials of the client. Unexpected statuses are errors. */
export type Exchange = (request: ApiRequest, expected: readonly number[], asked: string) => Promise<HttpResponse>;

/** The API of one registry: its URL, the credentials for it, and the errors that its answers stand for. */
export class Api {
  readonly name: string;
  readonly transport: Transport;
  readonly #namespace: string | undefined;
  readonly #base: Once<{ readonly url: URL; readonly auth: Authenticator }>;

  /** @param host host with optional port, as in a reference: `docker.io`, `127.0.0.1:5000` */
  constructor(host: string, options: RemoteOptions = {}) {
    this.name = host;
    this.#namespace = options.namespace;
    const home = options.endpoint?.host ?? apiHost(host);
    const session = options.session ?? processSession;
    const { connections, identity } = session.connections({ ...options, name: host, home });
    const limiter = options.limiter ?? session.limiter(home, options.rate);
    const transport = new Transport({ ...options, home, limiter }, connections);
    this.transport = transport;
    this.#base = new Once(async () => {
      const url = await apiUrl(host, options, transport);
      const shared = { ...options, tokens: session.tokens, identity };
      return { url, auth: new Authenticator(host, url, transport, shared) };
    });
  }

  /** The URL and the authenticator of the API, determined at the first use. */
  connect(): Promise<{ readonly url: URL; readonly auth: Authenticator }> {
    return this.#base.get();
  }

  /** @param rest what follows the repository: `blobs/sha256:...`. @throws UNSUPPORTED_ALGORITHM */
  async url(repo: RepoName, rest: string): Promise<URL> {
    // In these paths, only digests contain a colon.
    const name = rest.slice(rest.indexOf("/") + 1);
    if (name.includes(":")) parseDigest(name, `${this.name}/${repo}`);
    const url = new URL(`${repo}/${rest}`, (await this.connect()).url);
    if (this.#namespace) url.searchParams.set("ns", this.#namespace);
    return url;
  }

  /** Sends one request, with a token for `scope` where the registry requires one. Unexpected statuses are errors. */
  async send(
    scope: string,
    request: ApiRequest,
    expected: readonly number[],
    asked: string,
    missing: MissingCode,
  ): Promise<HttpResponse> {
    const { auth, url } = await this.connect();
    // An upload or a page may be at another origin; credentials go only to the registry that they belong to.
    const own = request.url.origin === url.origin;
    const canRepeat = !(request.body && "pump" in request.body);
    if (own && !canRepeat) await auth.renew(scope, request.signal);
    const place = { host: this.name, repo: /^repository:([^:]+):/.exec(scope)?.[1] };
    let sent: string | undefined;
    const send = (): Promise<HttpResponse> => {
      sent = own ? auth.header(scope) : undefined;
      return this.transport.send({ ...request, authorization: sent });
    };
    let response = await send();
    const challenged = own && response.status === 401 && response.url.origin === url.origin;
    if (challenged && canRepeat) {
      // Read to its end first: an open response occupies a slot of its host, which may be the token server's host too.
      const refused = await response.bytes(this.transport.limits.errorBytes, asked).catch(() => Buffer.alloc(0));
      if (await auth.answer(response, scope, sent, request.signal)) response = await send();
      else throw await responseError(response, this.transport, asked, place, missing, refused);
    }
    if (expected.includes(response.status)) return response;
    if (response.status === 403 && sent !== undefined) auth.forget(scope, sent);
    throw await responseError(response, this.transport, asked, place, missing);
  }

  /** A request that reads a repository. */
  pull(
    repo: RepoName,
    request: ApiRequest,
    asked: string,
    missing: MissingCode,
    expected: readonly number[] = [200],
  ): Promise<HttpResponse> {
    return this.send(`repository:${repo}:pull`, request, expected, asked, missing);
  }

  /** Requests that change a repository. With `from`, they may also read that repository, to mount a blob from it. */
  push(repo: RepoName, missing: MissingCode, from?: RepoName): Exchange {
    const scope = `repository:${repo}:pull,push${from === undefined ? "" : ` repository:${from}:pull`}`;
    return (request, expected, asked) => this.send(scope, request, expected, asked, missing);
  }
}
