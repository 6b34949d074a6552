import { SingleFlight } from "../../base/async.ts";
import { RecentMap } from "../../base/recent.ts";
import type { Challenge } from "./challenge.ts";

/** What tokens may take in memory, in bytes. */
const MAX_BYTES = 4 << 20;
/** What an entry takes beside its header, roughly. */
const ENTRY_BYTES = 512;
/** No token is believed for longer, whatever its registry says. Milliseconds. */
const MAX_AGE = 3_600_000;
const MAX_CHALLENGES = 1_000;

interface Token {
  readonly header: string;
  /** In milliseconds since 1970. */
  readonly until: number;
}

/**
 * The tokens of a session. A key names the origin, the identity of the credentials and the scope; callers that need the
 * same one at the same time share one request.
 */
export class TokenCache {
  readonly #tokens = new RecentMap<Token>(MAX_BYTES, ({ header }, key) => ENTRY_BYTES + key.length + header.length);
  readonly #flights = new SingleFlight<boolean>();
  /** What a scope was last asked for, to ask again when a token has expired. */
  readonly challenges: RecentMap<Challenge> = new RecentMap(MAX_CHALLENGES);

  get(key: string): string | undefined {
    const kept = this.#tokens.get(key);
    if (kept && kept.until > Date.now()) return kept.header;
    this.#tokens.delete(key);
    return undefined;
  }

  set(key: string, header: string, lifetimeMs: number): void {
    this.#tokens.set(key, { header, until: Date.now() + Math.min(lifetimeMs, MAX_AGE) });
  }

  /** Forgets a token, unless there is a newer one. */
  delete(key: string, header: string): void {
    if (this.#tokens.get(key)?.header === header) this.#tokens.delete(key);
  }

  /** @param ask gets a token and sets it; false where there is none to be had */
  run(key: string, ask: () => Promise<boolean>): Promise<boolean> {
    return this.#flights.run(key, ask);
  }

  clear(): void {
    this.#tokens.clear();
    this.challenges.clear();
  }
}
