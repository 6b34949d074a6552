import { Once } from "../base/once.ts";
import type { Digest } from "../spec/digest.ts";
import { LEASE_MS, Lease } from "./leases.ts";

/**
 * The lease of a writer, created with the first blob. The lease of a server (`endless`) is replaced every hour, so that
 * its file does not grow without bound. A blob stays protected for at least 45 minutes, in which it must get a name.
 */
export class LeaseKeeper {
  readonly #endless: boolean;
  readonly #lease: Once<Lease>;

  constructor(root: string, reason: string, options: { readonly endless?: boolean | undefined } = {}) {
    this.#endless = options.endless ?? false;
    this.#lease = new Once(() => Lease.create(root, reason));
  }

  /** Whether there is a lease. */
  get active(): boolean {
    return this.#lease.value !== undefined;
  }

  async protect(digest: Digest): Promise<void> {
    const current = this.#lease.get();
    const lease = await current;
    if (this.#endless && Date.now() - lease.created > LEASE_MS && this.#lease.value === current) {
      this.#lease.reset();
      lease.retire();
    }
    await (await this.#lease.get()).protect(digest);
  }

  /** @throws LOCK_LOST where a protected blob may have been collected */
  async check(): Promise<void> {
    await (await this.#lease.value)?.check();
  }

  async release(): Promise<void> {
    const current = this.#lease.value;
    this.#lease.reset();
    await (await current?.catch(() => undefined))?.release();
  }
}
