import { GantryError } from "../base/error.ts";
import { isPrivateAddress } from "./addresses.ts";
import { redactUrl } from "./redact.ts";

/**
 * Where a redirect, or a Location to upload to, leads. The protocol never gets weaker: `http:` of the same host is
 * tried as https, as registries behind a proxy write it. From a public host none leads to a private address; what a
 * name resolves to is looked at when it is connected to.
 * @param response the one that says so: whether the registry is itself at a private address, and how to show what it says
 * @throws REDIRECT_REFUSED, INVALID_RESPONSE
 */
export function nextHop(
  from: URL,
  location: string | undefined,
  response: { readonly isPrivate: boolean; redact(text: string): string },
): URL {
  const shown = response.redact(redactUrl(from));
  if (!location) throw new GantryError("INVALID_RESPONSE", `${shown} redirects, but names no Location`);
  const to = URL.canParse(location, from.href) ? new URL(location, from) : undefined;
  if (!to || (to.protocol !== "http:" && to.protocol !== "https:")) {
    throw new GantryError("REDIRECT_REFUSED", `${shown} redirects to an address that is no http or https URL`);
  }
  // A name and a password in an address are for nobody.
  to.username = "";
  to.password = "";
  if (from.protocol === "https:" && to.protocol === "http:") {
    if (to.hostname !== from.hostname) {
      throw new GantryError("REDIRECT_REFUSED", `${shown} redirects from https to ${response.redact(redactUrl(to))}`);
    }
    to.protocol = "https:";
    // A port that speaks http does not speak https; behind a proxy the one that we came by does.
    to.port = from.port;
  }
  if (isPrivateAddress(to.hostname) && !response.isPrivate) {
    throw new GantryError(
      "REDIRECT_REFUSED",
      `${shown} redirects to the private address ${response.redact(to.host)}, which a public registry has no business with`,
    );
  }
  return to;
}
