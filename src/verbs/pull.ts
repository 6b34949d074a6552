import { GantryError } from "../base/error.ts";
import type { PlatformChoice } from "../images/select.ts";
import { type PullResult, pullImage } from "../puller/pull.ts";
import { storeName } from "../store/find.ts";
import { asLocation, type Location } from "./location.ts";
import { openRegistry } from "./open.ts";
import { holdStore, type VerbOptions } from "./options.ts";

export interface PullOptions extends VerbOptions {
  /** Default: the host's platform. */
  readonly platforms?: PlatformChoice | undefined;
  readonly parallel?: number | undefined;
}

/**
 * Pulls an image from a registry into a store, verified. The name is set last: a pull that fails sets no name, and the
 * complete blobs stay for the next try.
 * @throws USAGE for a location that is not in a registry
 */
export async function pull(location: string | Location, options: PullOptions = {}): Promise<PullResult> {
  const { platforms, parallel, signal, progress, limits } = options;
  const parsed = asLocation(location);
  if (parsed.kind !== "registry") {
    throw new GantryError("USAGE", `pull fetches from a registry; for ${parsed.text} use \`gantry cp\``);
  }
  await using held = holdStore(options);
  await using source = openRegistry(parsed, options);
  const { store } = held;
  const name = storeName(parsed.reference);
  return await pullImage({ source, store, name, platforms, parallel, signal, progress, limits });
}
