import { SingleFlight } from "../../../base/async.ts";
import { RecentMap } from "../../../base/recent.ts";
import type { Challenge } from "./challenge.ts";

/** The most memory for tokens, in bytes. */
const MAX_BYTES = 4 << 20;
/** Roughly the memory of an entry without its header, in bytes. */
const ENTRY_BYTES = 512;
/** The longest time that a token is used, whatever lifetime the token server gives it, in milliseconds. */
const MAX_AGE_MS = 3_600_000;
const MAX_CHALLENGES = 1_000;

interface Token {
  readonly header: string;
  /** In milliseconds since 1970. */
  readonly until: number;
}

/**
 * The tokens of a session. A key names the origin, the identity of the credentials and the scope. Callers that need the
 * same token at the same time share one request.
 */
export class TokenCache {
  readonly #tokens = new RecentMap<Token>(MAX_BYTES, ({ header }, key) => ENTRY_BYTES + key.length + header.length);
  readonly #flights = new SingleFlight<boolean>();
  /** The last challenge for each key, to renew a token that has expired. */
  readonly challenges: RecentMap<Challenge> = new RecentMap(MAX_CHALLENGES);

  get(key: string): string | undefined {
    const kept = this.#tokens.get(key);
    if (kept && kept.until > Date.now()) return kept.header;
    this.#tokens.delete(key);
    return undefined;
  }

  set(key: string, header: string, lifetimeMs: number): void {
    this.#tokens.set(key, { header, until: Date.now() + Math.min(lifetimeMs, MAX_AGE_MS) });
  }

  /** Deletes a token, unless a newer one has replaced it. */
  delete(key: string, header: string): void {
    if (this.#tokens.get(key)?.header === header) this.#tokens.delete(key);
  }

  /** @param ask gets a token and sets it; false where the token server gives none */
  run(key: string, ask: () => Promise<boolean>): Promise<boolean> {
    return this.#flights.run(key, ask);
  }

  clear(): void {
    this.#tokens.clear();
    this.challenges.clear();
  }
}
