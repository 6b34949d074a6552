import { Semaphore } from "../base/async.ts";
import { type HttpRequest, isStreamed } from "./message.ts";

/**
 * How many requests one host serves at once, their bodies included. Requests that send a body, that stream an answer and
 * that do neither are counted apart: a copy within one registry reads and writes at the same time and needs tokens
 * meanwhile, so that none of them may wait for the others.
 */
export class HostSlots {
  readonly #slots = new Map<string, Semaphore>();
  readonly #perHost: number;

  constructor(perHost: number) {
    this.#perHost = perHost;
  }

  /** Waits for a slot. @returns gives it back; calling it twice does nothing more */
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
