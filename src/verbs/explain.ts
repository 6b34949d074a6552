import type { Credential } from "../config/credentials.ts";
import { directEndpoint, type Endpoint, type Routes } from "../config/routes.ts";
import { apiHost } from "../reference/reference.ts";
import type { ConnectOptions } from "../registry/routed/routed.ts";
import { isLoopback } from "../transport/addresses.ts";
import { proxyFor } from "../transport/proxy.ts";
import { registryReference } from "./names.ts";

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
  readonly tls: "verified" | "not verified" | "asked first" | "none";
  /** Files beside what the system trusts. */
  readonly caFiles: readonly string[];
  readonly clientCertificate?: string;
  /** Names of headers that are sent along. */
  readonly headers: readonly string[];
  readonly proxy?: string;
  /** What would be answered if it asks who we are, and where that is kept. */
  readonly credentials?: { readonly kind: Credential["kind"]; readonly from: string };
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

/** Tells how an image would be reached, without asking anybody. @throws INVALID_REFERENCE, CONFIG_INVALID, HELPER_FAILED */
export async function explain(
  location: string,
  options: ConnectOptions & { readonly signal?: AbortSignal } = {},
): Promise<Explanation> {
  const reference = registryReference(location);
  const { host, repository } = reference;
  const direct: Routes = { endpoints: [directEndpoint(host, repository)] };
  const { endpoints, blockedBy } = (await options.routes?.routes(host, repository)) ?? direct;
  return {
    name: reference.toFullString(),
    host,
    repository,
    reference: reference.wanted ?? "latest",
    ...(blockedBy && { blockedBy }),
    endpoints: await Promise.all(endpoints.map((endpoint) => explained(endpoint, options))),
  };
}

async function explained(
  endpoint: Endpoint,
  options: ConnectOptions & { readonly signal?: AbortSignal },
): Promise<ExplainedEndpoint> {
  const url = new URL(endpoint.url ?? `https://${apiHost(endpoint.host)}/v2/`);
  const insecure = endpoint.insecure || (!endpoint.mirror && options.insecure);
  const asked = insecure || (isLoopback(url.hostname) && !endpoint.url);
  const proxy = (options.proxy ?? proxyFor)(url);
  const skips = endpoint.skipVerify || (!endpoint.mirror && options.skipVerify);
  const credential = await options.credentials?.find(endpoint.host, {
    repository: endpoint.repo,
    ...(options.signal && { signal: options.signal }),
  });
  return {
    url: url.href,
    repository: endpoint.repo,
    role: endpoint.mirror ? "mirror" : "registry",
    capabilities: endpoint.capabilities,
    ...(endpoint.only && { only: endpoint.only }),
    final: endpoint.final ?? false,
    tls: url.protocol === "http:" ? "none" : asked ? "asked first" : skips ? "not verified" : "verified",
    caFiles: [...(options.caFiles ?? []), ...(endpoint.caFiles ?? [])],
    ...(endpoint.clientCertificate && { clientCertificate: endpoint.clientCertificate.cert }),
    headers: Object.keys(endpoint.headers ?? {}),
    ...(proxy && { proxy: proxy.host }),
    ...(credential && { credentials: { kind: credential.kind, from: credential.from } }),
    because: endpoint.from,
  };
}
