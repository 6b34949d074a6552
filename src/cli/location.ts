import type { Location } from "../verbs/location.ts";
import { namesRegistry, parseLocation, parseStoreLocation } from "../verbs/location.ts";

/** An image on the command line. @throws INVALID_REFERENCE, UNSUPPORTED, and what a short name throws */
export async function parseImage(text: string): Promise<Location> {
  return parseLocation(await withHost(text));
}

/** A repository on the command line. In `oci:DIR:NAME`, NAME is a repository and not a tag. */
export async function parseRepository(text: string): Promise<Location> {
  return parseLocation(await withHost(text), { names: "repository" });
}

/** An image of the store on the command line, with or without `store:`. */
export async function parseStored(text: string): Promise<Location> {
  return parseStoreLocation(await withHost(text));
}

/**
 * By default a name without a host means Docker Hub on every machine. With GANTRY_SHORT_NAMES=1, podman's
 * registries.conf gives the host.
 */
async function withHost(text: string): Promise<string> {
  if (process.env["GANTRY_SHORT_NAMES"] !== "1" || !namesRegistry(text) || text.startsWith("docker://")) return text;
  return (await import("../config/short-names.ts")).resolveShortName(text);
}
