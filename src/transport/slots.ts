import { Semaphore } from "../base/async.ts";
import { type HttpRequest, isStreamed } from "./message.ts";

/**
 * Limits how many requests to one host run at once, bodies included. Requests that send a body, requests that stream an
 * answer, and all others are counted separately: a copy within one registry reads, writes and asks for tokens at the
 * same time, so none of the three may wait for another.
 */
export class HostSlots {
  readonly #slots = new Map<string, Semaphore>();
  readonly #perHost: number;

  constructor(perHost: number) {
    this.#perHost = perHost;
  }

  /** Waits for a slot. @returns a function that releases it; a second call does nothing */
  acquire(host: string, { body, streams, signal }: HttpRequest): Promise<() => void> {
    const kind = isStreamed(body) ? "up" : streams ? "down" : "short";
    const key = `${kind} ${host}`;
    let slot = this.#slots.get(key);
    if (!slot) {
      slot = new Semaphore(this.#perHost);
      this.#slots.set(key, slot);
    }
    return slot.acquire(signal);
  }
}
