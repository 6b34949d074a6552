import type { Endpoint } from "../../config/routes.ts";
import type { RemoteRegistry } from "../remote/remote.ts";

/** An endpoint, and the registry that speaks to it. */
export interface Target {
  readonly endpoint: Endpoint;
  readonly registry: RemoteRegistry;
}
