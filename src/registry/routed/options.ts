import type { Endpoint, RouteSource } from "../../config/routes.ts";
import type { RateLimiter } from "../../transport/rate.ts";
import type { RemoteOptions } from "../remote/options.ts";

export interface ConnectOptions extends RemoteOptions {
  /** The endpoints of registries, for example `userHosts()`. Default: each registry is asked directly. */
  readonly routes?: RouteSource | undefined;
}

export type RoutedOptions = ConnectOptions & { readonly routes: RouteSource };

/**
 * The options for one endpoint. The user's client certificate, headers, `insecure` and `skipVerify` are for the
 * registry itself; a mirror gets only those that its configuration names.
 */
export function remoteOptionsOf(endpoint: Endpoint, options: RemoteOptions, limiter?: RateLimiter): RemoteOptions {
  const { insecure, skipVerify, clientCertificate, headers, ...rest } = options;
  const own: RemoteOptions = endpoint.mirror ? {} : { insecure, skipVerify, clientCertificate, headers };
  const caFiles = [...(options.caFiles ?? []), ...(endpoint.caFiles ?? [])];
  return {
    ...rest,
    // A mirror is not retried: the next endpoint is asked instead.
    attempts: endpoint.mirror && !endpoint.final ? 1 : rest.attempts,
    insecure: endpoint.insecure || own.insecure,
    skipVerify: endpoint.skipVerify || own.skipVerify,
    caFiles: caFiles.length > 0 ? caFiles : undefined,
    headers: endpoint.headers || own.headers ? { ...endpoint.headers, ...own.headers } : undefined,
    clientCertificate: own.clientCertificate ?? certificateOf(endpoint),
    endpoint: endpoint.url ?? rest.endpoint,
    namespace: endpoint.namespace ?? rest.namespace,
    limiter: limiter ?? rest.limiter,
  };
}

function certificateOf({ clientCertificate: pair }: Endpoint): RemoteOptions["clientCertificate"] {
  if (!pair) return undefined;
  const read = async () => (await import("../../config/certificates.ts")).readClientCertificate(pair);
  return Object.assign(read, { identity: JSON.stringify(["client certificate", pair.cert, pair.key]) });
}
