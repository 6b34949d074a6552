import { GantryError, isGantryError } from "../../base/error.ts";
import { apiHost } from "../../reference/reference.ts";
import { isLoopback } from "../../transport/addresses.ts";
import { isClosed, type Transport } from "../../transport/transport.ts";
import type { RemoteOptions } from "./options.ts";

/**
 * The URL of a registry's API. Where the registry may speak http (a loopback host, or `insecure`), one request without
 * secrets finds out which protocol it speaks.
 * @throws INVALID_REFERENCE for a host that no URL can have, such as 999.1.1.1
 */
export async function apiUrl(host: string, { endpoint, insecure }: RemoteOptions, transport: Transport): Promise<URL> {
  const address = `https://${apiHost(host)}/v2/`;
  if (!endpoint && !URL.canParse(address)) {
    throw new GantryError(
      "INVALID_REFERENCE",
      `${host} is not the host of a registry: no URL can have it; check the name`,
    );
  }
  const https = endpoint ?? new URL(address);
  const asks = insecure || (isLoopback(https.hostname) && !endpoint);
  if (https.protocol === "http:" || !asks) return https;
  const plain = new URL(https);
  plain.protocol = "http:";
  try {
    const response = await transport.send({ method: "GET", url: plain, anonymous: true });
    await response.discard();
    // A TLS server answers plain HTTP with 400, or not at all.
    return response.status === 400 || response.url.protocol === "https:" ? https : plain;
  } catch (error) {
    if (isClosed(error)) throw error;
    if (isGantryError(error, "INVALID_RESPONSE", "REDIRECT_REFUSED")) return https;
    const failed = isGantryError(error, "CONNECTION_FAILED");
    // A refused port is refused for https too; without a port in the name, https has a port of its own.
    if (failed && (error.details["errno"] !== "ECONNREFUSED" || !plain.port)) return https;
    throw error;
  }
}
