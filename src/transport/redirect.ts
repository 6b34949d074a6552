import { GantryError } from "../base/error.ts";
import { isPrivateAddress } from "./addresses.ts";
import { redactUrl } from "./redact.ts";

/**
 * Where a redirect, or a Location to upload to, leads. The protocol never gets weaker: `http:` of the same host is
 * tried as https, as registries behind a proxy write it. From a public host none leads to a private address; what a
 * name resolves to is looked at when it is connected to.
 * @param home whether the one that says so is itself at a private address
 * @throws REDIRECT_REFUSED, INVALID_RESPONSE
 */
export function nextHop(from: URL, location: string | undefined, home: { readonly isPrivate: boolean }): URL {
  if (!location) throw new GantryError("INVALID_RESPONSE", `${redactUrl(from)} redirects, but names no Location`);
  const to = URL.canParse(location, from.href) ? new URL(location, from) : undefined;
  if (!to || (to.protocol !== "http:" && to.protocol !== "https:")) {
    throw new GantryError(
      "REDIRECT_REFUSED",
      `${redactUrl(from)} redirects to an address that is no http or https URL`,
    );
  }
  // A name and a password in an address are for nobody.
  to.username = "";
  to.password = "";
  if (from.protocol === "https:" && to.protocol === "http:") {
    if (to.hostname !== from.hostname) {
      throw new GantryError("REDIRECT_REFUSED", `${redactUrl(from)} redirects from https to ${redactUrl(to)}`);
    }
    to.protocol = "https:";
    // A port that speaks http does not speak https; behind a proxy the one that we came by does.
    to.port = from.port;
  }
  if (isPrivateAddress(to.hostname) && !home.isPrivate) {
    throw new GantryError(
      "REDIRECT_REFUSED",
      `${redactUrl(from)} redirects to the private address ${to.host}, which a public registry has no business with`,
    );
  }
  return to;
}
