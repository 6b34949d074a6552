import { abortable } from "../base/async.ts";
import { GantryError, messageOf } from "../base/error.ts";
import { environmentRoots } from "../config/certificates.ts";
import type { Certificates } from "../config/certs-d.ts";
import type { Credential } from "../config/credentials.ts";
import { directEndpoint, type Endpoint, type Routes } from "../config/routes.ts";
import { apiHost } from "../reference/reference.ts";
import { RemoteRegistry } from "../registry/remote/remote.ts";
import { remoteOptionsOf } from "../registry/routed/routed.ts";
import { isDigest } from "../spec/digest.ts";
import { isLoopback } from "../transport/addresses.ts";
import { proxyFor } from "../transport/proxy.ts";
import { isRegistryLocation, registryReference } from "./names.ts";
import type { RegistryOptions, VerbOptions } from "./options.ts";

/** One endpoint that would be asked, and all that is known of how. Secrets are left out. */
export interface ExplainedEndpoint {
  /** The address of its API; where `protocol` is absent, http may be spoken instead. */
  readonly url: string;
  /** What it speaks: as it is written, or, for a loopback host, as it answered. Absent where only asking tells. */
  readonly protocol?: "http" | "https" | undefined;
  /** Why a loopback host could not be asked. */
  readonly protocolFault?: string | undefined;
  readonly repository: string;
  readonly role: "registry" | "mirror";
  readonly capabilities: readonly string[];
  /** Asked only for what is named so. */
  readonly only?: "digests" | "tags" | undefined;
  /** What it says is the answer, also where it has nothing. */
  readonly final: boolean;
  readonly tls: "verified" | "not verified" | "none";
  /** Whether it is asked first, without secrets, which of http and TLS it speaks. */
  readonly asksProtocol: boolean;
  /** Files and directories beside what the system trusts. */
  readonly caFiles: readonly string[];
  readonly clientCertificate?: string | undefined;
  /** Names of headers that are sent along. */
  readonly headers: readonly string[];
  /** Proxies by protocol, where one is gone through. */
  readonly proxies: Readonly<Record<string, string>>;
  /** What would be answered if it asks who we are, and where that is kept. */
  readonly credentials?: { readonly kind: Credential["kind"]; readonly from: string } | undefined;
  /** Why that cannot be told: a helper that fails. */
  readonly credentialsFault?: string | undefined;
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
  readonly blockedBy?: string | undefined;
  /** In the order in which they are asked. */
  readonly endpoints: readonly ExplainedEndpoint[];
}

export interface ExplainOptions extends Pick<VerbOptions, "registry" | "signal"> {
  /** Files that the functions of `registry` for certificates read, which they do not tell. */
  readonly certificates?: Certificates | undefined;
}

/**
 * Tells how an image would be reached. No registry is asked but one on this machine, for what it speaks.
 * @throws USAGE, INVALID_REFERENCE, CONFIG_INVALID
 */
export async function explain(location: string, options: ExplainOptions = {}): Promise<Explanation> {
  const { registry = {} } = options;
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
    endpoints: await Promise.all(endpoints.filter(isAsked).map((endpoint) => explained(endpoint, options))),
  };
}

async function explained(
  endpoint: Endpoint,
  { registry: options = {}, certificates, signal }: ExplainOptions,
): Promise<ExplainedEndpoint> {
  const url = new URL(endpoint.url ?? `https://${apiHost(endpoint.host)}/v2/`);
  const insecure = endpoint.insecure || (!endpoint.mirror && options.insecure);
  const asks = url.protocol === "https:" && (insecure || (isLoopback(url.hostname) && !endpoint.url));
  const skips = insecure || endpoint.skipVerify || (!endpoint.mirror && options.skipVerify);
  const spoken = await protocolOf(endpoint, url, { asks, options, signal });
  if (spoken.protocol) url.protocol = spoken.protocol;
  const protocols = spoken.protocol ? [url.protocol] : ["http:", "https:"];
  const proxies = protocols.flatMap((protocol) => {
    const proxy = (options.proxy ?? proxyFor)(new URL(url.href.replace(/^https?:/, protocol)));
    return proxy ? [[protocol.slice(0, -1), proxy.host] as const] : [];
  });
  // What is named for the registry itself goes before what the routes have for it.
  const pair = (endpoint.mirror ? undefined : certificates?.clientCertificate) ?? endpoint.clientCertificate;
  const roots = url.protocol === "https:" ? environmentRoots() : [];
  return {
    url: url.href,
    ...spoken,
    repository: endpoint.repo,
    role: endpoint.mirror ? "mirror" : "registry",
    capabilities: endpoint.capabilities,
    ...(endpoint.only && { only: endpoint.only }),
    final: endpoint.final ?? false,
    tls: url.protocol === "http:" ? "none" : skips ? "not verified" : "verified",
    asksProtocol: asks,
    caFiles: [
      ...(options.caFiles ?? []),
      ...(certificates?.caFiles ?? []),
      ...(endpoint.caFiles ?? []),
      ...roots.map(({ path }) => path),
    ],
    ...(pair && { clientCertificate: pair.cert }),
    headers: Object.keys(endpoint.headers ?? {}),
    proxies: Object.fromEntries(proxies),
    ...(await credentialsFor(endpoint, options, signal)),
    because: [...new Set([...endpoint.from, ...roots.map(({ variable }) => variable)])],
  };
}

/** How long a host of this machine may take to tell what it speaks, in milliseconds. */
const PROBE_MS = 5_000;

/** As it is written, or as a client of this endpoint would find out. */
async function protocolOf(
  endpoint: Endpoint,
  url: URL,
  how: { readonly asks: boolean; readonly options: RegistryOptions; readonly signal: AbortSignal | undefined },
): Promise<Pick<ExplainedEndpoint, "protocol" | "protocolFault">> {
  const nameOf = ({ protocol }: URL): "http" | "https" => (protocol === "http:" ? "http" : "https");
  if (!how.asks) return { protocol: nameOf(url) };
  if (!isLoopback(url.hostname)) return {};
  const options = { ...remoteOptionsOf(endpoint, how.options), attempts: 1, headerTimeout: PROBE_MS };
  const registry = new RemoteRegistry(endpoint.host, options);
  try {
    return { protocol: nameOf(await abortable(registry.address(), how.signal)) };
  } catch (error) {
    how.signal?.throwIfAborted();
    return { protocolFault: messageOf(error) };
  } finally {
    await registry.close();
  }
}

async function credentialsFor(
  { host, repo }: Endpoint,
  { credentials }: RegistryOptions,
  signal: AbortSignal | undefined,
): Promise<Pick<ExplainedEndpoint, "credentials" | "credentialsFault">> {
  try {
    const found = await credentials?.find(host, { repository: repo, signal });
    return found ? { credentials: { kind: found.kind, from: found.from } } : {};
  } catch (error) {
    signal?.throwIfAborted();
    return { credentialsFault: messageOf(error) };
  }
}
