/** A value that is made at the first call and kept. After a failure the next call makes it again. */
export class Once<T> {
  readonly #make: () => Promise<T>;
  #value: Promise<T> | undefined;

  constructor(make: () => Promise<T>) {
    this.#make = make;
  }

  /** The value, also while it is being made; undefined before the first call, after a failure and after `reset`. */
  get value(): Promise<T> | undefined {
    return this.#value;
  }

  get(): Promise<T> {
    if (this.#value) return this.#value;
    const value = this.#make();
    this.#value = value;
    value.catch(() => {
      if (this.#value === value) this.#value = undefined;
    });
    return value;
  }

  /** Forgets the value; the next call makes a new one. */
  reset(): void {
    this.#value = undefined;
  }
}
