import { isRegistryLocation } from "../verbs/names.ts";

/**
 * An image as it is named on the command line. A name without a host is Docker Hub's on every machine, unless
 * GANTRY_SHORT_NAMES=1 asks for what podman's registries.conf says of it.
 */
export async function parseLocation(text: string): Promise<string> {
  if (process.env["GANTRY_SHORT_NAMES"] !== "1" || !isRegistryLocation(text) || text.startsWith("docker://"))
    return text;
  return (await import("../config/short-names.ts")).resolveShortName(text);
}
