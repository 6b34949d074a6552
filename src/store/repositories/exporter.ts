/** The shortest time between two exports, and how much longer than the last one took. Milliseconds. */
const PAUSE_MS = 500;
const PAUSE_FACTOR = 20;

/**
 * Runs an export some time after a change, and at the end: of many changes one after the other only some are exported, so
 * that none of them costs more where there is more to write.
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

  /** Something changed that is to be exported. */
  changed(): void {
    this.#pending = true;
    if (this.#timer || this.#running) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      // What cannot be written now is written with the next change, or at the end, which says why it could not.
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

  /** Exports what is left. */
  async close(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    await this.#run();
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
