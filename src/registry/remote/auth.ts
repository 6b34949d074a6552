import { abortable } from "../../base/async.ts";
import { GantryError } from "../../base/error.ts";
import type { Credential, CredentialSource } from "../../config/credentials.ts";
import { parseJsonObject } from "../../spec/json.ts";
import { isPrivateAddress } from "../../transport/addresses.ts";
import type { HttpRequest, HttpResponse } from "../../transport/message.ts";
import { redactUrl } from "../../transport/redact.ts";
import { isClosed, type Transport } from "../../transport/transport.ts";
import { type Challenge, parseChallenges } from "./challenge.ts";
import { TokenCache } from "./tokens.ts";

export interface AuthenticatorOptions {
  /** Who is asked for credentials, once, when the registry asks for them. Default: nobody; requests are anonymous. */
  readonly credentials?: CredentialSource | undefined;
  /** Hosts of token servers that may be given a password though they are not of the registry's domain. */
  readonly trustedRealms?: readonly string[] | undefined;
}

/** Where an authenticator keeps its tokens: in a store that authenticators share, under the identity of its credentials. */
interface SharedTokens {
  readonly tokens: TokenCache;
  readonly identity: string;
}

/** A search for credentials that several requests may wait for. */
interface Lookup {
  readonly found: Promise<Credential | undefined>;
  readonly stop: AbortController;
  waiting: number;
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
  readonly #tokens: TokenCache;
  readonly #identity: string;
  readonly #found = new Map<string, Lookup>();
  /** Answers that do not depend on the scope, Basic or a token that was given to us, by repository. */
  readonly #fixed = new Map<string, string>();

  constructor(
    name: string,
    registry: URL,
    transport: Transport,
    options: AuthenticatorOptions & Partial<SharedTokens> = {},
  ) {
    this.#name = name;
    this.#registry = registry;
    this.#tokens = options.tokens ?? new TokenCache();
    this.#identity = `${registry.origin} ${options.identity ?? ""}`;
    this.#transport = transport;
    this.#options = options;
  }

  /** The Authorization header to send for a scope, if an earlier challenge gave one. */
  header(scope: string): string | undefined {
    return this.#tokens.get(this.#key(scope)) ?? this.#fixed.get(repositoryOf(scope));
  }

  /** Drops a token that the registry refused: the next one may be given for other credentials. */
  forget(scope: string, header: string): void {
    this.#tokens.delete(this.#key(scope), header);
  }

  #key(scope: string): string {
    return `${this.#identity} ${scope}`;
  }

  /** Gets a new token where the last one has expired: before a body is sent that cannot be sent twice. */
  async renew(scope: string, signal?: AbortSignal): Promise<void> {
    const challenge = this.#tokens.challenges.get(this.#key(scope));
    if (!challenge || this.header(scope) !== undefined) return;
    await this.#token(challenge, scope, await this.#credential(scope, signal), signal);
  }

  /**
   * Gets ready for another try after a 401 response.
   * @param sent the Authorization header that was answered so
   * @returns false where there is nothing to answer with, or what there is has just been refused
   */
  async answer(
    response: HttpResponse,
    scope: string,
    sent: string | undefined,
    signal?: AbortSignal,
  ): Promise<boolean> {
    const challenges = parseChallenges(response.headers["www-authenticate"] ?? "");
    const credential = await this.#credential(scope, signal);
    if (credential?.kind === "registry") return this.#settle(scope, `Bearer ${credential.token}`, sent);
    const bearer = challenges.find(({ scheme, parameters }) => scheme === "bearer" && parameters["realm"]);
    if (bearer) {
      this.#tokens.challenges.set(this.#key(scope), bearer);
      // Another request may have brought a new one since this one was sent.
      const newer = this.header(scope);
      if (newer !== undefined && newer !== sent) return true;
      return this.#token(bearer, scope, credential, signal);
    }
    if (credential?.kind !== "password" || !challenges.some(({ scheme }) => scheme === "basic")) return false;
    return this.#settle(scope, basic(credential), sent);
  }

  #settle(scope: string, header: string, sent: string | undefined): boolean {
    this.#fixed.set(repositoryOf(scope), header);
    return header !== sent;
  }

  /** What is known for this registry, asked for once for each repository; the lookup ends when nobody waits for it. */
  async #credential(scope: string, signal?: AbortSignal): Promise<Credential | undefined> {
    const repository = repositoryOf(scope);
    let lookup = this.#found.get(repository);
    if (!lookup) {
      const stop = new AbortController();
      const options = { ...(repository && { repository }), signal: stop.signal };
      const found = Promise.resolve(this.#options.credentials?.find(this.#name, options));
      const made: Lookup = { found, stop, waiting: 0 };
      lookup = made;
      this.#found.set(repository, made);
      found.catch(() => {
        if (this.#found.get(repository) === made) this.#found.delete(repository);
      });
    }
    lookup.waiting += 1;
    try {
      const found = await abortable(lookup.found, signal);
      if (found) this.#transport.keepSecret(found.kind === "password" ? found.password : found.token);
      return found;
    } finally {
      lookup.waiting -= 1;
      if (lookup.waiting === 0 && signal?.aborted) {
        lookup.stop.abort(signal.reason);
        this.#found.delete(repository);
      }
    }
  }

  /** One request for a token serves all that need it for a scope at the same time. */
  async #token(
    challenge: Challenge,
    scope: string,
    credential: Credential | undefined,
    signal?: AbortSignal,
  ): Promise<boolean> {
    const key = this.#key(scope);
    for (;;) {
      const asked = this.#tokens.run(key, () => this.#getToken(challenge, scope, credential));
      try {
        return await abortable(asked, signal);
      } catch (error) {
        // Another client may have asked, and have been closed meanwhile.
        if (!isClosed(error) || this.#transport.endedBy(error)) throw error;
      }
    }
  }

  async #getToken({ parameters }: Challenge, scope: string, credential: Credential | undefined): Promise<boolean> {
    const url = this.#realm(parameters["realm"]!);
    const realm = this.#transport.redact(url.host);
    const service = parameters["service"] ?? "";
    const wanted = mergeScopes(parameters["scope"], scope);
    if (credential) await this.#requireTrust(url, credential);
    let answer: HttpResponse | undefined;
    for (const request of tokenRequests(url, service, wanted, credential)) {
      await answer?.discard();
      answer = await this.#transport.send(request);
      if (answer.status === 200) break;
    }
    if (!answer) return false;
    if (answer.status !== 200) {
      await answer.discard();
      if ([400, 401, 403, 404, 405].includes(answer.status)) return false;
      // The registry said nothing against us yet; it is the other one that has trouble.
      throw new GantryError(
        answer.status === 429 ? "TOO_MANY_REQUESTS" : "REGISTRY_ERROR",
        `getting a token for ${this.#name}: ${realm} answered ${answer.status}; try again later`,
        { details: { status: answer.status, realm } },
      );
    }
    const what = `the token of ${this.#transport.redact(redactUrl(url))}`;
    const { header, expiresIn } = readToken(await answer.bytes(this.#transport.limits.tokenBytes, what), what);
    // A token is renewed a little early, for clocks that differ and requests on their way.
    this.#tokens.set(this.#key(scope), header, Math.max(5, expiresIn - 10) * 1000);
    return true;
  }

  /** A registry may send us anywhere for a token, but not with a password for it. @throws REDIRECT_REFUSED */
  async #requireTrust(realm: URL, { from }: Credential): Promise<void> {
    const { mayShareSecrets } = await import("../../config/trust.ts");
    if (await mayShareSecrets(this.#registry, realm, this.#options.trustedRealms)) return;
    const { redact } = this.#transport;
    throw new GantryError(
      "REDIRECT_REFUSED",
      `${this.#name} asks to send its password (from ${from}) to ${redact(realm.host)}, which is of another domain; if that is right, allow it with --trust-realm ${redact(realm.hostname)}`,
      { details: { realm: redact(realm.host) } },
    );
  }

  /** A realm is where tokens come from: https, unless the registry itself has none; private only if the registry is. */
  #realm(realm: string): URL {
    const url = URL.canParse(realm) ? new URL(realm) : undefined;
    const plain = url?.protocol === "http:" && this.#registry.protocol === "http:";
    if (!url || !(url.protocol === "https:" || plain)) {
      throw new GantryError(
        "INVALID_RESPONSE",
        `${this.#registry.host} asks for a token from ${JSON.stringify(this.#transport.redact(realm).slice(0, 200))}, which is not an https URL`,
      );
    }
    if (isPrivateAddress(url.hostname) && !this.#transport.isPrivate(this.#registry.hostname)) {
      throw new GantryError(
        "REDIRECT_REFUSED",
        `${this.#registry.host} asks for a token from the private address ${this.#transport.redact(url.host)}, which a public registry has no business with`,
      );
    }
    return url;
  }
}

function basic({ username, password }: Extract<Credential, { kind: "password" }>): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;
}

/** The user name under which Azure hands out refresh tokens as if they were passwords. */
const AZURE_TOKEN_USER = "00000000-0000-0000-0000-000000000000";

/**
 * The requests that may give a token, best first: a refresh token goes into the body of a POST (RFC 6749 section 6), a
 * password into the header of a GET.
 */
function tokenRequests(realm: URL, service: string, scope: string, credential: Credential | undefined): HttpRequest[] {
  const requests: HttpRequest[] = [];
  const named = credential?.kind === "password" && credential.username === AZURE_TOKEN_USER;
  const refresh = credential?.kind === "identity" ? credential.token : named ? credential.password : undefined;
  if (refresh !== undefined) {
    const form = new URLSearchParams({
      grant_type: "refresh_token",
      service,
      scope,
      client_id: "gantry",
      refresh_token: refresh,
    });
    const headers = { "content-type": "application/x-www-form-urlencoded" };
    // Asking twice for a token does no harm.
    const body = Buffer.from(form.toString());
    requests.push({ method: "POST", url: realm, headers, body, repeatable: true });
  }
  if (credential?.kind === "identity") return requests;
  const url = new URL(realm);
  if (service) url.searchParams.set("service", service);
  // One parameter for each scope, as the token specification has it.
  for (const each of scope.split(" ").filter(Boolean)) url.searchParams.append("scope", each);
  requests.push({ method: "GET", url, ...(credential?.kind === "password" && { authorization: basic(credential) }) });
  return requests;
}

function readToken(bytes: Buffer, what: string): { header: string; expiresIn: number } {
  const invalid = (why: string): GantryError => new GantryError("INVALID_RESPONSE", `${what} cannot be read: ${why}`);
  let value: Record<string, unknown>;
  try {
    value = parseJsonObject(bytes, what);
  } catch {
    // Not what the parser says: it quotes what it read.
    throw invalid("it is not in a JSON object");
  }
  const token = value["token"] || value["access_token"];
  if (typeof token !== "string" || !/^[\x21-\x7e]+$/.test(token)) throw invalid("it has no token");
  const expiresIn = typeof value["expires_in"] === "number" ? value["expires_in"] : 60;
  return { header: `Bearer ${token}`, expiresIn };
}

/** The repository that a scope is about; the empty string for the registry as a whole. */
const repositoryOf = (scope: string): string => /^repository:([^:]+):/.exec(scope)?.[1] ?? "";

/**
 * The scopes to ask a token for: what the registry wants for this request, and, of the same repositories, what we want
 * it for; a mount needs a second repository, which registries may not name. Other names are the registry's to choose.
 */
export function mergeScopes(challenged: string | undefined, wanted: string): string {
  const scopes = new Map<string, Set<string>>();
  const [first, ...others] = wanted.split(" ").filter(Boolean);
  const add = (scope: string, known: boolean): void => {
    const end = scope.lastIndexOf(":");
    // Some registries have scopes of their own, without actions.
    const resource = end < 0 ? scope : scope.slice(0, end);
    if (known && !scopes.has(resource)) return;
    const actions = scopes.get(resource) ?? new Set();
    if (end >= 0) for (const action of scope.slice(end + 1).split(",")) actions.add(action);
    scopes.set(resource, actions);
  };
  for (const scope of (challenged ?? "").split(" ").filter(Boolean)) add(scope, false);
  if (first !== undefined) add(first, scopes.size > 0);
  for (const scope of others) add(scope, false);
  return [...scopes]
    .map(([resource, actions]) => (actions.size === 0 ? resource : `${resource}:${[...actions].join(",")}`))
    .join(" ");
}
