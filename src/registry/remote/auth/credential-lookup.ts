import { abortable } from "../../../base/async.ts";
import type { Credential, CredentialSource } from "../../../config/credentials.ts";

interface Lookup {
  readonly found: Promise<Credential | undefined>;
  readonly stop: AbortController;
  waiting: number;
}

/**
 * The credentials of one registry, looked up once for each repository, when they are first needed. Several requests may
 * wait for one lookup; it is aborted when the last waiting request is aborted.
 */
export class CredentialLookup {
  readonly #host: string;
  readonly #source: CredentialSource | undefined;
  readonly #lookups = new Map<string, Lookup>();

  constructor(host: string, source: CredentialSource | undefined) {
    this.#host = host;
    this.#source = source;
  }

  /** @param repository the empty string for the registry as a whole */
  async find(repository: string, signal?: AbortSignal): Promise<Credential | undefined> {
    const lookup = this.#lookups.get(repository) ?? this.#start(repository);
    lookup.waiting += 1;
    try {
      return await abortable(lookup.found, signal);
    } finally {
      lookup.waiting -= 1;
      if (lookup.waiting === 0 && signal?.aborted) {
        lookup.stop.abort(signal.reason);
        this.#lookups.delete(repository);
      }
    }
  }

  #start(repository: string): Lookup {
    const stop = new AbortController();
    const options = { repository: repository || undefined, signal: stop.signal };
    const found = Promise.resolve(this.#source?.find(this.#host, options));
    const lookup: Lookup = { found, stop, waiting: 0 };
    this.#lookups.set(repository, lookup);
    found.catch(() => {
      if (this.#lookups.get(repository) === lookup) this.#lookups.delete(repository);
    });
    return lookup;
  }
}
