import { GantryError } from "../base/error.ts";
import { directEndpoint, type Endpoint, type Routes } from "../config/routes.ts";
import { isDigest } from "../spec/digest.ts";
import { type ExplainedEndpoint, type ExplainOptions, explainEndpoint } from "./explain-endpoint.ts";
import { asLocation, type Location } from "./location.ts";

export interface Explanation {
  /** The reference in full. */
  readonly name: string;
  readonly host: string;
  readonly repository: string;
  /** The tag or the digest that would be asked for. */
  readonly reference: string;
  /** The file that forbids this registry or repository. */
  readonly blockedBy?: string | undefined;
  /** In the order in which they are asked. */
  readonly endpoints: readonly ExplainedEndpoint[];
}

/**
 * Explains how an image would be reached. No registry is asked, except that one on this machine is asked for its
 * protocol, http or https.
 * @throws USAGE for a location that is not in a registry, INVALID_REFERENCE, CONFIG_INVALID
 */
export async function explain(location: string | Location, options: ExplainOptions = {}): Promise<Explanation> {
  const parsed = asLocation(location);
  if (parsed.kind !== "registry") {
    throw new GantryError("USAGE", `${parsed.text}: only registries have endpoints; name an image in a registry`);
  }
  const { reference } = parsed;
  const { host, repository, wanted } = reference;
  const isAsked = ({ only }: Endpoint): boolean => only === undefined || (only === "digests") === isDigest(wanted);
  const direct: Routes = { endpoints: [directEndpoint(host, repository)] };
  const { endpoints, blockedBy } = (await options.registry?.routes?.routes(host, repository)) ?? direct;
  return {
    name: reference.toFullString(),
    host,
    repository,
    reference: wanted,
    blockedBy,
    endpoints: await Promise.all(endpoints.filter(isAsked).map((endpoint) => explainEndpoint(endpoint, options))),
  };
}
