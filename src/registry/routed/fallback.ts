import { GantryError, isGantryError, messageOf } from "../../base/error.ts";
import type { Progress } from "../../base/progress.ts";
import type { RemoteRegistry } from "../remote/remote.ts";
import type { Target } from "./targets.ts";

/** How long an endpoint that could not be reached is asked last, in milliseconds. */
const DOWN_MS = 60_000;

/** Asks the endpoints of one registry in turn until one answers, and remembers which could not be reached. */
export class Fallback {
  readonly #name: string;
  readonly #progress: Progress | undefined;
  /** When an endpoint last could not be reached, in milliseconds since 1970. */
  readonly #down = new WeakMap<RemoteRegistry, number>();

  constructor(name: string, progress: Progress | undefined) {
    this.#name = name;
    this.#progress = progress;
  }

  /** The first answer. Where every endpoint fails, throws the last error, with the earlier ones in its message. */
  async ask<T>(
    all: readonly Target[],
    work: (target: Target) => Promise<T>,
    signal: AbortSignal | undefined,
  ): Promise<T> {
    // An endpoint that could not be reached a moment ago is asked last, and only if no other can be reached.
    const passed = all.filter(({ registry }, at) => at < all.length - 1 && this.#isDown(registry));
    const targets = [...all.filter((target) => !passed.includes(target)), ...passed];
    const failures: string[] = [];
    for (const [at, target] of targets.entries()) {
      const { endpoint, registry } = target;
      try {
        const answer = await work(target);
        this.#down.delete(registry);
        return answer;
      } catch (error) {
        signal?.throwIfAborted();
        const unreachable = isGantryError(error, "CONNECTION_FAILED", "TIMEOUT", "TLS_FAILED");
        if (unreachable) this.#down.set(registry, Date.now());
        const decides = at === targets.length - passed.length - 1 && !unreachable;
        const last = endpoint.final || decides || at === targets.length - 1;
        // A wrong call is wrong at every endpoint.
        if (last || !isGantryError(error) || isGantryError(error, "USAGE", "RANGE_INVALID", "CONFIG_INVALID")) {
          throw isGantryError(error) && failures.length > 0 ? withFailures(error, failures) : error;
        }
        failures.push(messageOf(error));
        this.#report(registry, error);
      }
    }
    throw new GantryError("INTERNAL", "no endpoint was asked");
  }

  #isDown(registry: RemoteRegistry): boolean {
    const since = this.#down.get(registry);
    return since !== undefined && Date.now() - since < DOWN_MS;
  }

  #report(registry: RemoteRegistry, error: GantryError): void {
    const absent = isGantryError(error, "MANIFEST_UNKNOWN", "BLOB_UNKNOWN", "NAME_UNKNOWN");
    const text = `mirror ${registry.name} of ${this.#name}: ${messageOf(error)}; asking the next`;
    this.#progress?.({ type: "message", level: absent ? "info" : "warning", text });
  }
}

function withFailures(error: GantryError, failures: readonly string[]): GantryError {
  return new GantryError(error.code, `${error.message}; endpoints asked before: ${failures.join("; ")}`, {
    cause: error,
    details: error.details,
  });
}
