import { abortable } from "../../../base/async.ts";
import { GantryError } from "../../../base/error.ts";
import type { Credential, CredentialSource } from "../../../config/credentials.ts";
import type { HttpResponse } from "../../../transport/message.ts";
import { redactUrl } from "../../../transport/redact.ts";
import { isClosed, type Transport } from "../../../transport/transport.ts";
import { type Challenge, parseChallenges } from "./challenge.ts";
import { CredentialLookup } from "./credential-lookup.ts";
import { realmUrl, requireTrusted } from "./realm.ts";
import { mergeScopes, repositoryOf } from "./scopes.ts";
import { basic, readToken, tokenRequests } from "./token-request.ts";
import { TokenCache } from "./tokens.ts";

export interface AuthenticatorOptions {
  /** Asked once for each repository, when the registry first requires credentials. Default: anonymous requests. */
  readonly credentials?: CredentialSource | undefined;
  /** Hosts of token servers that may get a password although their domain is not the registry's. */
  readonly trustedRealms?: readonly string[] | undefined;
}

/** Tokens that authenticators share, and the identity of this one's credentials. */
interface SharedTokens {
  readonly tokens?: TokenCache | undefined;
  readonly identity?: string | undefined;
}

/**
 * Answers the challenges of one registry: Basic with a password, Bearer with a token. A token is for one scope and is
 * kept until shortly before it expires.
 * @see distribution's token authentication specification, RFC 7617, RFC 6749 section 6
 */
export class Authenticator {
  readonly #transport: Transport;
  readonly #registry: URL;
  /** The name that users know the registry by. */
  readonly #name: string;
  readonly #trustedRealms: readonly string[] | undefined;
  readonly #credentials: CredentialLookup;
  readonly #tokens: TokenCache;
  readonly #identity: string;
  /** Authorization headers that are not for one scope alone, by repository: Basic, or a token that the user gave. */
  readonly #fixed = new Map<string, string>();

  constructor(name: string, registry: URL, transport: Transport, options: AuthenticatorOptions & SharedTokens = {}) {
    this.#name = name;
    this.#registry = registry;
    this.#transport = transport;
    this.#trustedRealms = options.trustedRealms;
    this.#credentials = new CredentialLookup(name, options.credentials);
    this.#tokens = options.tokens ?? new TokenCache();
    this.#identity = `${registry.origin} ${options.identity ?? ""}`;
  }

  /** The Authorization header for a scope, if an earlier challenge led to one. */
  header(scope: string): string | undefined {
    return this.#tokens.get(this.#key(scope)) ?? this.#fixed.get(repositoryOf(scope));
  }

  /** Drops a token that the registry refused, so that the next request gets a new one. */
  forget(scope: string, header: string): void {
    this.#tokens.delete(this.#key(scope), header);
  }

  #key(scope: string): string {
    return `${this.#identity} ${scope}`;
  }

  /** Gets a new token if the last one has expired. Called before a request whose body cannot be sent twice. */
  async renew(scope: string, signal?: AbortSignal): Promise<void> {
    const challenge = this.#tokens.challenges.get(this.#key(scope));
    if (!challenge || this.header(scope) !== undefined) return;
    await this.#token(challenge, scope, await this.#credential(scope, signal), signal);
  }

  /**
   * Prepares the retry after a 401 response.
   * @param sent the Authorization header of the request, if it had one
   * @returns false where no credentials fit the challenge, or the registry has just refused them
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
      // Another request may have got a new token since this one was sent.
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

  async #credential(scope: string, signal?: AbortSignal): Promise<Credential | undefined> {
    const found = await this.#credentials.find(repositoryOf(scope), signal);
    if (found) this.#transport.keepSecret(found.kind === "password" ? found.password : found.token);
    return found;
  }

  /** Requests that need a token for the same scope at the same time share one request for it. */
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
        // Retried where the shared request belonged to another client that was closed meanwhile.
        if (!isClosed(error) || this.#transport.endedBy(error)) throw error;
      }
    }
  }

  async #getToken({ parameters }: Challenge, scope: string, credential: Credential | undefined): Promise<boolean> {
    const transport = this.#transport;
    const url = realmUrl(parameters["realm"]!, this.#registry, transport);
    if (credential) {
      const registry = { name: this.#name, url: this.#registry, trustedRealms: this.#trustedRealms };
      await requireTrusted(url, credential, registry, transport);
    }
    const wanted = mergeScopes(parameters["scope"], scope);
    let answer: HttpResponse | undefined;
    for (const request of tokenRequests(url, parameters["service"] ?? "", wanted, credential)) {
      await answer?.discard();
      answer = await transport.send(request);
      if (answer.status === 200) break;
    }
    if (!answer) return false;
    if (answer.status !== 200) {
      await answer.discard();
      if ([400, 401, 403, 404, 405].includes(answer.status)) return false;
      // The token server failed, so the credentials are neither accepted nor refused.
      const realm = transport.redact(url.host);
      throw new GantryError(
        answer.status === 429 ? "TOO_MANY_REQUESTS" : "REGISTRY_ERROR",
        `getting a token for ${this.#name}: ${realm} answered ${answer.status}; try again later`,
        { details: { status: answer.status, realm } },
      );
    }
    const what = `the token of ${transport.redact(redactUrl(url))}`;
    const { header, expiresIn } = readToken(await answer.bytes(transport.limits.tokenBytes, what), what);
    // Renewed a little early, since clocks differ and requests take time. Milliseconds.
    this.#tokens.set(this.#key(scope), header, Math.max(5, expiresIn - 10) * 1000);
    return true;
  }
}
