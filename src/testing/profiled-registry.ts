import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from "node:http";
import { MemoryRegistry } from "../registry/memory/memory.ts";
import type { RemoteOptions } from "../registry/remote/options.ts";
import { registryHandler } from "../server/handler.ts";
import { listen } from "../server/serve.ts";
import type { ProfileBehaviour, RegistryProfile } from "./profile.ts";

export interface ProfiledRegistry extends AsyncDisposable {
  readonly registry: MemoryRegistry;
  /** The client's options to reach the registry under its own name. */
  readonly options: RemoteOptions;
  readonly requests: { readonly method: string; readonly url: URL; readonly headers: IncomingMessage["headers"] }[];
}

/** Starts a registry that behaves as a profile says. It is also the proxy through which clients reach all of its names. */
export async function startProfile(profile: RegistryProfile): Promise<ProfiledRegistry> {
  const registry = new MemoryRegistry();
  const requests: { method: string; url: URL; headers: IncomingMessage["headers"] }[] = [];
  const inner = registryHandler(registry, { allowDelete: true, allowHosts: ["*"] });
  const handler = new Profiled(profile, registry, inner);
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? "/", `http://${request.headers.host}`);
    requests.push({ method: request.method ?? "", url, headers: { ...request.headers } });
    handler.handle(request, response, url);
  });
  const service = await listen(server, {});
  const proxy = new URL(`http://${service.host}`);
  const { credential } = profile;
  return {
    registry,
    requests,
    options: {
      insecure: true,
      backoff: 1,
      proxy: () => proxy,
      credentials: credential && { find: async () => ({ ...credential, from: "a test" }) },
    },
    [Symbol.asyncDispose]: () => service.close(),
  };
}

function reply(
  response: ServerResponse,
  status: number,
  body: unknown = "",
  headers: Record<string, string> = {},
): void {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  response.writeHead(status, { "content-type": "application/json", ...headers }).end(text);
}

class Profiled {
  readonly #profile: RegistryProfile;
  readonly #behaviour: ProfileBehaviour;
  readonly #registry: MemoryRegistry;
  readonly #inner: RequestListener;

  constructor(profile: RegistryProfile, registry: MemoryRegistry, inner: RequestListener) {
    this.#profile = profile;
    this.#behaviour = profile.behaviour;
    this.#registry = registry;
    this.#inner = inner;
  }

  handle(request: IncomingMessage, response: ServerResponse, url: URL): void {
    const { bearer, storageHost } = this.#behaviour;
    if (bearer && `${url.host}${url.pathname}` === bearer.realm.replace(/^https?:\/\//, "")) {
      void this.#token(request, response, url);
    } else if (storageHost && url.host === storageHost) this.#storage(request, response, url);
    else if (url.host === (this.#profile.apiHost ?? this.#profile.host)) this.#api(request, response, url);
    else reply(response, 502, `the profile has no host ${url.host}`);
  }

  async #token(request: IncomingMessage, response: ServerResponse, url: URL): Promise<void> {
    const bearer = this.#behaviour.bearer!;
    let body = "";
    for await (const chunk of request) body += chunk;
    const form = new URLSearchParams(body);
    const { credential } = this.#profile;
    const basic = credential?.kind === "password" && !bearer.refreshOnly && this.#isBasic(request);
    const secret = credential?.kind === "password" ? credential.password : credential?.token;
    const refreshed =
      request.method === "POST" && form.get("grant_type") === "refresh_token" && form.get("refresh_token") === secret;
    const scope = form.get("scope") ?? url.searchParams.getAll("scope").join(" ");
    const known = basic || refreshed;
    if ((credential && !known) || (bearer.refuses && /secret/.test(scope)))
      return reply(response, bearer.refuses ?? 401, { errors: [{ code: "DENIED", message: "denied" }] });
    if ((form.get("service") ?? url.searchParams.get("service")) !== bearer.service) return reply(response, 400);
    reply(response, 200, { [bearer.field]: `for:${Buffer.from(scope).toString("base64url")}` });
  }

  #isBasic(request: IncomingMessage): boolean {
    const { credential } = this.#profile;
    if (credential?.kind !== "password") return false;
    const expected = Buffer.from(`${credential.username}:${credential.password}`).toString("base64");
    return request.headers.authorization === `Basic ${expected}`;
  }

  /** A signed URL is the only authorization that the storage accepts: an Authorization header beside it is an error. */
  #storage(request: IncomingMessage, response: ServerResponse, url: URL): void {
    if (request.headers.authorization) return reply(response, 400, "Only one auth mechanism allowed");
    if (url.searchParams.get("X-Amz-Signature") !== "signed") return reply(response, 403);
    request.url = `${url.pathname}`;
    this.#inner(request, response);
  }

  #mayPass(request: IncomingMessage, response: ServerResponse, url: URL): boolean {
    const { basicRealm, bearer } = this.#behaviour;
    if (basicRealm !== undefined) {
      if (this.#isBasic(request)) return true;
      reply(response, 401, "Not Authorized\n", { "www-authenticate": `Basic realm="${basicRealm}",service="reg"` });
      return false;
    }
    if (!bearer) return true;
    const token = /^Bearer for:(.*)$/.exec(request.headers.authorization ?? "")?.[1];
    const name = /^\/v2\/(.+)\/(?:manifests|blobs|tags|referrers)\//.exec(url.pathname)?.[1];
    const action = request.method === "GET" || request.method === "HEAD" ? "pull" : "pull,push";
    const wanted = name ? `repository:${name}:${request.method === "DELETE" ? "delete" : action}` : "";
    const given = token === undefined ? undefined : Buffer.from(token, "base64url").toString();
    if (given !== undefined && (wanted === "" || given.includes(`repository:${name}:`))) return true;
    const scope = wanted ? `,scope="${wanted}"` : "";
    const challenge = `Bearer realm="${bearer.realm.replace(/^https:/, "http:")}",service="${bearer.service}"${scope}`;
    reply(
      response,
      401,
      { errors: [{ code: "UNAUTHORIZED", message: "authentication required", detail: null }] },
      { "www-authenticate": challenge },
    );
    return false;
  }

  #api(request: IncomingMessage, response: ServerResponse, url: URL): void {
    const behaviour = this.#behaviour;
    for (const [name, value] of Object.entries(behaviour.headers ?? {})) response.setHeader(name, value);
    if (!this.#mayPass(request, response, url)) return void request.resume();
    const path = behaviour.uploadPath?.(url) ?? url.pathname;
    if (/\/_catalog$/.test(path) && behaviour.noCatalog) return reply(response, behaviour.noCatalog);
    const { referrers, absentRepository } = behaviour;
    if (/\/referrers\//.test(path) && referrers) {
      return reply(response, referrers.status, "", referrers.location ? { location: referrers.location } : {});
    }
    if (absentRepository && request.method === "POST" && /\/absent\//.test(path)) {
      return reply(response, absentRepository.status, absentRepository.body);
    }
    const size = Number(request.headers["content-length"] ?? 0);
    const { maxPatch } = behaviour;
    if (maxPatch && request.method === "PATCH" && size > maxPatch.bytes) {
      request.resume();
      return reply(response, maxPatch.status, {
        errors: [{ code: "REQUESTED_RANGE_NOT_SATISFIABLE", message: "too large" }],
      });
    }
    if (behaviour.deleteTag && request.method === "DELETE" && /\/manifests\/[^:]+$/.test(path)) {
      return reply(response, behaviour.deleteTag, { errors: [{ code: "UNSUPPORTED", message: "unsupported" }] });
    }
    const blob = /^\/v2\/.+\/blobs\/sha256:[0-9a-f]+$/.exec(path);
    if (behaviour.storageHost && blob && request.method === "GET") {
      const location = `http://${behaviour.storageHost}${path}?X-Amz-Signature=signed`;
      return reply(response, 307, "", { location });
    }
    const absent = behaviour.absentManifest;
    if (absent && /\/manifests\//.test(path) && !/PUT|DELETE/.test(request.method ?? "")) {
      const [, repo, reference] = /^\/v2\/(.+)\/manifests\/(.+)$/.exec(path)!;
      void this.#registry.resolveManifest(repo as never, reference as never).then(
        () => this.#bent(request, response, url, path),
        () => reply(response, absent.status, request.method === "HEAD" ? "" : absent.body),
      );
      return;
    }
    this.#bent(request, response, url, path);
  }

  /** Sends the answer of the inner registry, changed as the profile says. */
  #bent(request: IncomingMessage, response: ServerResponse, url: URL, path: string): void {
    const { noDigestHeader, uploadLocation, link, tagFields, maxPage, patchStatus } = this.#behaviour;
    const inner = new URL(url);
    if (maxPage && /\/tags\/list$/.test(path)) {
      if (Number(inner.searchParams.get("n") ?? 0) > 1000) return reply(response, 405);
      inner.searchParams.set("n", String(maxPage));
      const token = inner.searchParams.get("next_page");
      if (token) inner.searchParams.set("last", Buffer.from(token, "base64url").toString());
    }
    const writeHead = response.writeHead.bind(response) as (
      status: number,
      headers?: Record<string, unknown>,
    ) => ServerResponse;
    let extended = false;
    response.writeHead = ((status: number, headers: Record<string, unknown> = {}) => {
      const bent = { ...headers };
      if (noDigestHeader) delete bent["docker-content-digest"];
      const { location } = bent;
      if (uploadLocation && typeof location === "string" && /\/uploads\//.test(location))
        bent["location"] = uploadLocation(location);
      if (link && typeof bent["link"] === "string") {
        const next = new URL(/<([^>]+)>/.exec(bent["link"])![1]!, url);
        bent["link"] = link(next, url);
      }
      if (tagFields && /\/tags\/list$/.test(path) && status === 200) {
        extended = true;
        delete bent["content-length"];
      }
      const changed = patchStatus && request.method === "PATCH" && status === 202 ? patchStatus : status;
      return writeHead(changed, bent);
    }) as typeof response.writeHead;
    const end = response.end.bind(response) as (chunk?: unknown) => ServerResponse;
    response.end = ((chunk?: unknown) => {
      if (!extended || chunk === undefined) return end(chunk);
      return end(JSON.stringify({ ...(JSON.parse(String(chunk)) as object), ...tagFields }));
    }) as typeof response.end;
    request.url = `${path}${inner.search}`;
    this.#inner(request, response);
  }
}
