import type { Limits } from "../base/limits.ts";
import type { OperationOptions } from "../base/progress.ts";
import type { ConnectOptions } from "../registry/routed/options.ts";
import { Store } from "../store/store.ts";

/** How registries are reached. Limits and progress are those of the whole operation. */
export type RegistryOptions = Omit<ConnectOptions, "limits" | "progress">;

/** The options of every verb. Options of registries and of the store are nested, so that no name can mean two things. */
export interface VerbOptions extends OperationOptions {
  readonly limits?: Limits | undefined;
  readonly registry?: RegistryOptions | undefined;
  /**
   * The local store: its directory, or an open `Store`, which stays open. Default: the directory of the user. The database
   * and the namespace are options of `Store`.
   */
  readonly store?: Store | string | undefined;
}

/** The options for `connect`. */
export function connectOptions({ registry, limits, progress }: VerbOptions): ConnectOptions {
  return { ...registry, limits, progress };
}

/** A store, held open for one operation. */
export interface HeldStore extends AsyncDisposable {
  readonly store: Store;
  close(): Promise<void>;
}

/** The store of the options. Closing it leaves a `Store` that the caller passed in open. */
export function holdStore({ store, limits }: Pick<VerbOptions, "store" | "limits">): HeldStore {
  const given = typeof store === "object" ? store : undefined;
  const held = given ?? new Store(typeof store === "string" ? store : undefined, { limits });
  const close = async (): Promise<void> => {
    if (!given) await held.close();
  };
  return { store: held, close, [Symbol.asyncDispose]: close };
}
