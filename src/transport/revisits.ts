import { abortable, SingleFlight } from "../base/async.ts";

/** Milliseconds for which requests to an origin fail at once after its second try has failed. */
const GONE_MS = 5_000;

/**
 * Second tries of origins that could not be reached. All requests to an origin share one wait and one warning. If the
 * second try fails, they fail together instead of trying one after the other.
 */
export class Revisits {
  readonly #waits = new SingleFlight<void>();
  /** When the second try of an origin failed. */
  readonly #gone = new Map<string, number>();

  /**
   * Waits before an origin is tried once more.
   * @param again whether this request has tried it twice already
   * @param pause waits; called once for all requests to the origin
   * @returns false where the origin is given up for now
   */
  async wait(origin: string, again: boolean, pause: () => Promise<void>, signal: AbortSignal): Promise<boolean> {
    if (again) this.#gone.set(origin, Date.now());
    if (Date.now() - (this.#gone.get(origin) ?? 0) < GONE_MS) return false;
    await abortable(this.#waits.run(origin, pause), signal);
    return true;
  }
}
