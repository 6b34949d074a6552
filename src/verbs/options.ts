import type { Limits } from "../base/limits.ts";
import type { OperationOptions } from "../base/progress.ts";
import type { ConnectOptions } from "../registry/routed/routed.ts";
import { Store } from "../store/store.ts";

/** How registries are spoken to. Limits and progress are those of the whole operation. */
export type RegistryOptions = Omit<ConnectOptions, "limits" | "progress">;

/** The options of every verb. What belongs to a part is inside that part, so that no name can mean two things. */
export interface VerbOptions extends OperationOptions {
  readonly limits?: Limits | undefined;
  readonly registry?: RegistryOptions | undefined;
  /**
   * The local store: its directory, or an open `Store`, which stays open. Default: the directory of the user. Where it
   * keeps its names, and in which namespace, are options of `Store`.
   */
  readonly store?: Store | string | undefined;
}

/** What a client of a registry is made with. */
export function connectOptions({ registry, limits, progress }: VerbOptions): ConnectOptions {
  return { ...registry, limits, progress };
}

/** A store for the time of one operation. */
export interface HeldStore extends AsyncDisposable {
  readonly store: Store;
  close(): Promise<void>;
}

/** The store that options mean. Closing it closes what was opened here: a store that was passed in stays open. */
export function holdStore({ store, limits }: Pick<VerbOptions, "store" | "limits">): HeldStore {
  const given = typeof store === "object" ? store : undefined;
  const held = given ?? new Store(typeof store === "string" ? store : undefined, { limits });
  const close = async (): Promise<void> => {
    if (!given) await held.close();
  };
  return { store: held, close, [Symbol.asyncDispose]: close };
}
