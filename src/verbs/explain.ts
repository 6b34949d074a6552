import { GantryError, messageOf } from "../base/error.ts";
import type { Credential } from "../config/credentials.ts";
import { directEndpoint, type Endpoint, type Routes } from "../config/routes.ts";
import { apiHost } from "../reference/reference.ts";
import { isDigest } from "../spec/digest.ts";
import { isLoopback } from "../transport/addresses.ts";
import { proxyFor } from "../transport/proxy.ts";
import { isRegistryLocation, registryReference } from "./names.ts";
import type { RegistryOptions, VerbOptions } from "./options.ts";

/** One endpoint that would be asked, and all that is known of how. Secrets are left out. */
export interface ExplainedEndpoint {
  /** The address of its API; where it is a loopback host, or `--insecure`, http may be spoken instead. */
  readonly url: string;
  readonly repository: string;
  readonly role: "registry" | "mirror";
  readonly capabilities: readonly string[];
  /** Asked only for what is named so. */
  readonly only?: "digests" | "tags";
  /** What it says is the answer, also where it has nothing. */
  readonly final: boolean;
  readonly tls: "verified" | "not verified" | "none";
  /** Whether it is asked first, without secrets, which of http and TLS it speaks. */
  readonly asksProtocol: boolean;
  /** Files beside what the system trusts. */
  readonly caFiles: readonly string[];
  readonly clientCertificate?: string;
  /** Names of headers that are sent along. */
  readonly headers: readonly string[];
  /** Proxies by protocol, where one is gone through. */
  readonly proxies: Readonly<Record<string, string>>;
  /** What would be answered if it asks who we are, and where that is kept. */
  readonly credentials?: { readonly kind: Credential["kind"]; readonly from: string };
  /** Why that cannot be told: a helper that fails. */
  readonly credentialsFault?: string;
  /** The files and variables that say so. */
  readonly because: readonly string[];
}

export interface Explanation {
  /** The reference in full. */
  readonly name: string;
  readonly host: string;
  readonly repository: string;
  /** The tag or the digest that would be asked for. */
  readonly reference: string;
  /** The file that forbids it. */
  readonly blockedBy?: string;
  /** In the order in which they are asked. */
  readonly endpoints: readonly ExplainedEndpoint[];
}

/** Tells how an image would be reached, without asking anybody. @throws USAGE, INVALID_REFERENCE, CONFIG_INVALID */
export async function explain(
  location: string,
  options: Pick<VerbOptions, "registry" | "signal"> = {},
): Promise<Explanation> {
  const { registry = {}, signal } = options;
  if (!isRegistryLocation(location))
    throw new GantryError("USAGE", `${location}: only what is in a registry is reached by routes`);
  const reference = registryReference(location);
  const { host, repository } = reference;
  const wanted = reference.wanted ?? "latest";
  const isAsked = ({ only }: Endpoint): boolean => only === undefined || (only === "digests") === isDigest(wanted);
  const direct: Routes = { endpoints: [directEndpoint(host, repository)] };
  const { endpoints, blockedBy } = (await registry.routes?.routes(host, repository)) ?? direct;
  return {
    name: reference.toFullString(),
    host,
    repository,
    reference: wanted,
    ...(blockedBy && { blockedBy }),
    endpoints: await Promise.all(endpoints.filter(isAsked).map((endpoint) => explained(endpoint, registry, signal))),
  };
}

async function explained(
  endpoint: Endpoint,
  options: RegistryOptions,
  signal: AbortSignal | undefined,
): Promise<ExplainedEndpoint> {
  const url = new URL(endpoint.url ?? `https://${apiHost(endpoint.host)}/v2/`);
  const insecure = endpoint.insecure || (!endpoint.mirror && options.insecure);
  const asks = url.protocol === "https:" && (insecure || (isLoopback(url.hostname) && !endpoint.url));
  const skips = insecure || endpoint.skipVerify || (!endpoint.mirror && options.skipVerify);
  const protocols = asks ? ["http:", "https:"] : [url.protocol];
  const proxies = protocols.flatMap((protocol) => {
    const proxy = (options.proxy ?? proxyFor)(new URL(url.href.replace(/^https?:/, protocol)));
    return proxy ? [[protocol.slice(0, -1), proxy.host] as const] : [];
  });
  const certificate = endpoint.clientCertificate?.cert;
  return {
    url: url.href,
    repository: endpoint.repo,
    role: endpoint.mirror ? "mirror" : "registry",
    capabilities: endpoint.capabilities,
    ...(endpoint.only && { only: endpoint.only }),
    final: endpoint.final ?? false,
    tls: url.protocol === "http:" ? "none" : skips ? "not verified" : "verified",
    asksProtocol: asks,
    caFiles: [...(options.caFiles ?? []), ...(endpoint.caFiles ?? [])],
    ...(certificate !== undefined && { clientCertificate: certificate }),
    headers: Object.keys(endpoint.headers ?? {}),
    proxies: Object.fromEntries(proxies),
    ...(await credentialsFor(endpoint, options, signal)),
    because: endpoint.from,
  };
}

async function credentialsFor(
  { host, repo }: Endpoint,
  { credentials }: RegistryOptions,
  signal: AbortSignal | undefined,
): Promise<Pick<ExplainedEndpoint, "credentials" | "credentialsFault">> {
  try {
    const found = await credentials?.find(host, { repository: repo, ...(signal && { signal }) });
    return found ? { credentials: { kind: found.kind, from: found.from } } : {};
  } catch (error) {
    signal?.throwIfAborted();
    return { credentialsFault: messageOf(error) };
  }
}
