import { GantryError, messageOf } from "../../base/error.ts";
import { parseJsonObject } from "../../spec/json.ts";
import { redactUrl } from "../../transport/redact.ts";
import { isPrivateAddress } from "../../transport/redirect.ts";
import type { HttpResponse, Transport } from "../../transport/transport.ts";
import { parseChallenges } from "./challenge.ts";

/**
 * Answers Bearer challenges of one registry with anonymous tokens, one for each scope, and keeps them until shortly
 * before they expire.
 * @see distribution's token authentication specification
 */
export class Authenticator {
  readonly #transport: Transport;
  readonly #registry: URL;
  readonly #tokens = new Map<string, { readonly header: string; readonly until: number }>();

  constructor(registry: URL, transport: Transport) {
    this.#registry = registry;
    this.#transport = transport;
  }

  /** The Authorization header to send for a scope, if an earlier challenge gave one. */
  header(scope: string): string | undefined {
    const kept = this.#tokens.get(scope);
    return kept && kept.until > Date.now() ? kept.header : undefined;
  }

  /**
   * Gets a token for the challenge of a 401 response. False where the challenge cannot be answered without
   * credentials.
   */
  async answer(response: HttpResponse, scope: string, signal?: AbortSignal): Promise<boolean> {
    const challenges = parseChallenges(response.headers["www-authenticate"] ?? "");
    const bearer = challenges.find((challenge) => challenge.scheme === "bearer");
    const realm = bearer?.parameters["realm"];
    if (!bearer || !realm) return false;
    const url = this.#realm(realm);
    const service = bearer.parameters["service"];
    if (service) url.searchParams.set("service", service);
    url.searchParams.set("scope", bearer.parameters["scope"] ?? scope);
    const answer = await this.#transport.send({ method: "GET", url, ...(signal && { signal }) });
    if (answer.status !== 200) {
      await answer.discard();
      return false;
    }
    const what = `the token of ${redactUrl(url)}`;
    const { header, expiresIn } = readToken(await answer.bytes(this.#transport.limits.tokenBytes, what), what);
    // A token is renewed a little early, for clocks that differ and requests on their way.
    this.#tokens.set(scope, { header, until: Date.now() + Math.max(5, expiresIn - 10) * 1000 });
    return true;
  }

  /** A realm is where tokens come from: https, unless the registry itself has none; private only if the registry is. */
  #realm(realm: string): URL {
    const url = URL.canParse(realm) ? new URL(realm) : undefined;
    const plain = url?.protocol === "http:" && this.#registry.protocol === "http:";
    if (!url || !(url.protocol === "https:" || plain)) {
      throw new GantryError(
        "INVALID_RESPONSE",
        `${this.#registry.host} asks for a token from ${JSON.stringify(realm)}, which is not an https URL`,
      );
    }
    if (isPrivateAddress(url.hostname) && !isPrivateAddress(this.#registry.hostname)) {
      throw new GantryError(
        "REDIRECT_REFUSED",
        `${this.#registry.host} asks for a token from the private address ${url.host}, which a public registry has no business with`,
      );
    }
    return url;
  }
}

function readToken(bytes: Buffer, what: string): { header: string; expiresIn: number } {
  try {
    const value = parseJsonObject(bytes, what);
    const token = value["token"] || value["access_token"];
    if (typeof token !== "string" || !/^[\x21-\x7e]+$/.test(token)) throw new Error("it has no token");
    const expiresIn = typeof value["expires_in"] === "number" ? value["expires_in"] : 60;
    return { header: `Bearer ${token}`, expiresIn };
  } catch (error) {
    throw new GantryError("INVALID_RESPONSE", `${what} cannot be read: ${messageOf(error)}`);
  }
}
