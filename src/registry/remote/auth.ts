import { GantryError, messageOf } from "../../base/error.ts";
import type { Credential, CredentialSource } from "../../config/credentials.ts";
import { parseJsonObject } from "../../spec/json.ts";
import { redactUrl } from "../../transport/redact.ts";
import { isPrivateAddress } from "../../transport/redirect.ts";
import type { HttpRequest, HttpResponse, Transport } from "../../transport/transport.ts";
import { type Challenge, parseChallenges } from "./challenge.ts";

export interface AuthenticatorOptions {
  /** Who is asked for credentials, once, when the registry asks for them. Default: nobody; requests are anonymous. */
  readonly credentials?: CredentialSource;
  /** Hosts of token servers that may be given a password though they are not of the registry's domain. */
  readonly trustedRealms?: readonly string[];
}

/**
 * Answers the challenges of one registry: Basic with a password, Bearer with tokens, one for each scope, which are
 * kept until shortly before they expire.
 * @see distribution's token authentication specification, RFC 7617, RFC 6749 section 6
 */
export class Authenticator {
  readonly #transport: Transport;
  readonly #registry: URL;
  /** The name that users know the registry by. */
  readonly #name: string;
  readonly #options: AuthenticatorOptions;
  readonly #headers = new Map<string, { readonly header: string; readonly until: number }>();
  readonly #found = new Map<string, Promise<Credential | undefined>>();
  /** An answer for every scope: Basic, or a token that was given to us. */
  #always: string | undefined;

  constructor(name: string, registry: URL, transport: Transport, options: AuthenticatorOptions = {}) {
    this.#name = name;
    this.#registry = registry;
    this.#transport = transport;
    this.#options = options;
  }

  /** The Authorization header to send for a scope, if an earlier challenge gave one. */
  header(scope: string): string | undefined {
    const kept = this.#headers.get(scope);
    return kept && kept.until > Date.now() ? kept.header : this.#always;
  }

  /**
   * Gets ready for another try after a 401 response. False where there is nothing to answer with, or what there was
   * has been refused.
   */
  async answer(response: HttpResponse, scope: string, signal?: AbortSignal): Promise<boolean> {
    const challenges = parseChallenges(response.headers["www-authenticate"] ?? "");
    const refused = this.#always;
    const credential = await this.#credential(scope, signal);
    if (credential?.kind === "registry") return this.#settle(`Bearer ${credential.token}`, refused);
    const bearer = challenges.find(({ scheme, parameters }) => scheme === "bearer" && parameters["realm"]);
    if (bearer) return this.#getToken(bearer, scope, credential, signal);
    if (credential?.kind !== "password" || !challenges.some(({ scheme }) => scheme === "basic")) return false;
    return this.#settle(basic(credential), refused);
  }

  #settle(header: string, refused: string | undefined): boolean {
    this.#always = header;
    return header !== refused;
  }

  /** What is known for this registry, asked for once for each repository. */
  #credential(scope: string, signal?: AbortSignal): Promise<Credential | undefined> {
    const repository = /^repository:([^:]+):/.exec(scope)?.[1] ?? "";
    let found = this.#found.get(repository);
    if (!found) {
      const options = { ...(repository && { repository }), ...(signal && { signal }) };
      found = Promise.resolve(this.#options.credentials?.find(this.#name, options));
      this.#found.set(repository, found);
      found.catch(() => this.#found.delete(repository));
    }
    return found;
  }

  async #getToken(
    { parameters }: Challenge,
    scope: string,
    credential: Credential | undefined,
    signal?: AbortSignal,
  ): Promise<boolean> {
    const url = this.#realm(parameters["realm"]!);
    const service = parameters["service"] ?? "";
    const wanted = parameters["scope"] ?? scope;
    if (credential) await this.#requireTrust(url, credential);
    const answer = await this.#transport.send({
      ...tokenRequest(url, service, wanted, credential),
      ...(signal && { signal }),
    });
    if (answer.status !== 200) {
      await answer.discard();
      return false;
    }
    const what = `the token of ${redactUrl(url)}`;
    const { header, expiresIn } = readToken(await answer.bytes(this.#transport.limits.tokenBytes, what), what);
    // A token is renewed a little early, for clocks that differ and requests on their way.
    this.#headers.set(scope, { header, until: Date.now() + Math.max(5, expiresIn - 10) * 1000 });
    return true;
  }

  /** A registry may send us anywhere for a token, but not with a password for it. @throws REDIRECT_REFUSED */
  async #requireTrust(realm: URL, { from }: Credential): Promise<void> {
    const { mayShareSecrets } = await import("../../config/trust.ts");
    if (await mayShareSecrets(this.#registry, realm, this.#options.trustedRealms)) return;
    throw new GantryError(
      "REDIRECT_REFUSED",
      `${this.#name} asks to send its password (from ${from}) to ${realm.host}, which is of another domain; if that is right, allow it with --trust-realm ${realm.hostname}`,
      { details: { realm: realm.host } },
    );
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

function basic({ username, password }: Extract<Credential, { kind: "password" }>): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;
}

/** A refresh token goes into the body of a POST (RFC 6749 section 6); a password into the header of a GET. */
function tokenRequest(realm: URL, service: string, scope: string, credential: Credential | undefined): HttpRequest {
  const url = new URL(realm);
  if (credential?.kind === "identity") {
    const form = new URLSearchParams({
      grant_type: "refresh_token",
      service,
      scope,
      client_id: "gantry",
      refresh_token: credential.token,
    });
    const headers = { "content-type": "application/x-www-form-urlencoded" };
    // Asking twice for a token does no harm.
    return { method: "POST", url, headers, body: Buffer.from(form.toString()), repeatable: true };
  }
  if (service) url.searchParams.set("service", service);
  url.searchParams.set("scope", scope);
  return { method: "GET", url, ...(credential?.kind === "password" && { authorization: basic(credential) }) };
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
