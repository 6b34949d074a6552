/** How long a change of speed takes until it is shown, in milliseconds. */
const SMOOTHING = 3_000;
/** The shortest time between two samples, in milliseconds; shorter ones are too inexact. */
const SAMPLE = 200;

/** The speed of a transfer, smoothed: the mean of the last seconds, of which the latest count most. */
export class Speed {
  #moved = 0;
  #sampled: number;
  #mean = 0;
  /** How much of the mean is measured; the rest is the zero that it began with. */
  #weight = 0;

  constructor(now: number = performance.now()) {
    this.#sampled = now;
  }

  add(bytes: number): void {
    this.#moved += bytes;
  }

  /** Bytes per second; undefined before the first sample. */
  perSecond(now: number = performance.now()): number | undefined {
    const elapsed = now - this.#sampled;
    if (elapsed >= SAMPLE) {
      const keep = Math.exp(-elapsed / SMOOTHING);
      this.#mean = this.#mean * keep + (this.#moved / elapsed) * 1000 * (1 - keep);
      this.#weight = this.#weight * keep + (1 - keep);
      this.#sampled = now;
      this.#moved = 0;
    }
    return this.#weight > 0 ? this.#mean / this.#weight : undefined;
  }
}
