import { Store } from "../store/store.ts";
import type { StoreFlags } from "./flags.ts";
import { limitsOf } from "./options.ts";
import type { Session } from "./session.ts";

/** The store that a command's flags mean. It is closed when the command ends. */
export function openStore({ store, storeDb, namespace, limit }: StoreFlags, io: Pick<Session, "use">): Store {
  return io.use(new Store(store, { database: storeDb, namespace, limits: limitsOf(limit) }));
}
