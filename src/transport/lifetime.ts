import { setMaxListeners } from "node:events";

interface Live {
  destroy(error: Error): unknown;
  once(event: "close", listener: () => void): unknown;
}

/** Ends the work of a client that is closed: requests without an answer, and answers whose body is being read. */
export class Lifetime {
  #closing = closing();
  #reason: Error | undefined;
  readonly #live = new Set<Live>();

  /** Aborts when the client is closed. Then it is replaced: a closed client can be used again. */
  get signal(): AbortSignal {
    return this.#closing.signal;
  }

  /** Whether an error is the reason of the last close. */
  endedBy(error: unknown): boolean {
    return error !== undefined && error === this.#reason;
  }

  /** Adds a request or an answer that is destroyed when the client is closed. */
  add(live: Live): void {
    this.#live.add(live);
    live.once("close", () => this.#live.delete(live));
  }

  remove(live: Live): void {
    this.#live.delete(live);
  }

  end(reason: Error): void {
    this.#reason = reason;
    this.#closing.abort(reason);
    this.#closing = closing();
    for (const live of [...this.#live]) live.destroy(reason);
  }
}

function closing(): AbortController {
  const controller = new AbortController();
  // Every request listens to it, so many listeners are no leak.
  setMaxListeners(0, controller.signal);
  return controller;
}
