import { abortable } from "../base/async.ts";
import { messageOf } from "../base/error.ts";
import { environmentRoots } from "../config/certificates.ts";
import type { Certificates } from "../config/certs-d.ts";
import type { Credential } from "../config/credentials.ts";
import type { Endpoint } from "../config/routes.ts";
import { apiHost } from "../reference/reference.ts";
import { RemoteRegistry } from "../registry/remote/remote.ts";
import { remoteOptionsOf } from "../registry/routed/options.ts";
import { isLoopback } from "../transport/addresses.ts";
import { proxyFor } from "../transport/proxy.ts";
import type { RegistryOptions, VerbOptions } from "./options.ts";

/** One endpoint that would be asked, and how. It contains no secrets. */
export interface ExplainedEndpoint {
  /** The address of its API. Where `protocol` is absent it may be reached by http instead. */
  readonly url: string;
  /**
   * The protocol of its address, or the one in which a loopback host answered. Absent where only a request can tell.
   */
  readonly protocol?: "http" | "https" | undefined;
  /** Why a loopback host did not answer. */
  readonly protocolFault?: string | undefined;
  readonly repository: string;
  readonly role: "registry" | "mirror";
  readonly capabilities: readonly string[];
  /** Whether it is asked only for digests, or only for tags. */
  readonly only?: "digests" | "tags" | undefined;
  /** No further endpoint is asked, even if this one does not have the image. */
  readonly final: boolean;
  readonly tls: "verified" | "not verified" | "none";
  /** Whether a first request, without secrets, finds out if it speaks http or https. */
  readonly asksProtocol: boolean;
  /** Files and directories of certificates that are trusted in addition to those of the system. */
  readonly caFiles: readonly string[];
  readonly clientCertificate?: string | undefined;
  /** Names of the configured headers that are sent. */
  readonly headers: readonly string[];
  /** The proxy for each protocol that uses one. */
  readonly proxies: Readonly<Record<string, string>>;
  /** The kind of credentials that would be sent if it asked for them, and where they are kept. */
  readonly credentials?: { readonly kind: Credential["kind"]; readonly from: string } | undefined;
  /** Why the credentials are not known, for example because a helper failed. */
  readonly credentialsFault?: string | undefined;
  /** The files and variables that configure it. */
  readonly because: readonly string[];
}

export interface ExplainOptions extends Pick<VerbOptions, "registry" | "signal"> {
  /** The certificate files that functions in `registry` read. The functions themselves cannot list them. */
  readonly certificates?: Certificates | undefined;
}

export async function explainEndpoint(
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
  // A certificate that the caller gives for the registry itself replaces the one of its routes.
  const pair = (endpoint.mirror ? undefined : certificates?.clientCertificate) ?? endpoint.clientCertificate;
  const roots = url.protocol === "https:" ? environmentRoots() : [];
  return {
    url: url.href,
    ...spoken,
    repository: endpoint.repo,
    role: endpoint.mirror ? "mirror" : "registry",
    capabilities: endpoint.capabilities,
    only: endpoint.only,
    final: endpoint.final ?? false,
    tls: url.protocol === "http:" ? "none" : skips ? "not verified" : "verified",
    asksProtocol: asks,
    caFiles: [
      ...(options.caFiles ?? []),
      ...(certificates?.caFiles ?? []),
      ...(endpoint.caFiles ?? []),
      ...roots.map(({ path }) => path),
    ],
    clientCertificate: pair?.cert,
    headers: Object.keys(endpoint.headers ?? {}),
    proxies: Object.fromEntries(proxies),
    ...(await credentialsFor(endpoint, options, signal)),
    because: [...new Set([...endpoint.from, ...roots.map(({ variable }) => variable)])],
  };
}

/** How long a loopback host may take to answer, in milliseconds. */
const PROBE_MS = 5_000;

/** The protocol of the address, or the one in which a loopback host answers. */
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
