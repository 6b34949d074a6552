/**
 * The shortest time between two exports, in milliseconds, and the pause after an export as a multiple of its duration.
 */
const PAUSE_MS = 500;
const PAUSE_FACTOR = 20;

/**
 * Runs an export some time after a change, and on `close`. One export serves all changes before it, so the cost of a
 * change does not grow with the size of the export.
 */
export class Exporter {
  readonly #export: () => Promise<void>;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  #pause = PAUSE_MS;
  #pending = false;

  constructor(run: () => Promise<void>) {
    this.#export = run;
  }

  /** Called after a change. */
  changed(): void {
    this.#pending = true;
    if (this.#timer || this.#running) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      // A failed export is retried after the next change, and by `close`, which throws the error.
      this.#run().catch(() => {});
    }, this.#pause).unref();
  }

  async #run(): Promise<void> {
    if (this.#running) await this.#running.catch(() => {});
    if (!this.#pending) return;
    this.#pending = false;
    const started = performance.now();
    this.#running = this.#export();
    try {
      await this.#running;
    } catch (error) {
      this.#pending = true;
      throw error;
    } finally {
      this.#running = undefined;
      this.#pause = Math.max(PAUSE_MS, (performance.now() - started) * PAUSE_FACTOR);
    }
    if (this.#pending) this.changed();
  }

  /** Exports the changes that are not exported yet. */
  async close(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    await this.#run();
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
