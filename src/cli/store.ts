import { Store } from "../store/store.ts";
import type { StoreFlags } from "./flags.ts";
import { limitsOf } from "./options.ts";
import type { Session } from "./session.ts";

/** Opens the store that the flags of a command name. It is closed when the command ends. */
export function openStore({ store, storeDb, namespace, limit }: StoreFlags, io: Pick<Session, "use">): Store {
  return io.use(new Store(store, { database: storeDb, namespace, limits: limitsOf(limit) }));
}
