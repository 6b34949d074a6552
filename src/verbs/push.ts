import { GantryError } from "../base/error.ts";
import { formatPlatform } from "../images/platform.ts";
import type { PlatformChoice } from "../images/select.ts";
import { missingManifests } from "../puller/complete.ts";
import type { Store } from "../store/store.ts";
import type { CopyResult } from "../transfer/copy.ts";
import { copyOpened } from "./copy.ts";
import { findImage } from "./images.ts";
import {
  asLocation,
  asStoreLocation,
  type Location,
  namesRegistry,
  type RegistryLocation,
  type StoreLocation,
} from "./location.ts";
import { openRegistry, openStored } from "./open.ts";
import { holdStore, type VerbOptions } from "./options.ts";

export interface PushOptions extends VerbOptions {
  /** Default: all. One platform of an index is sent as an image of its own, under its own digest. */
  readonly platforms?: PlatformChoice | undefined;
  readonly parallel?: number | undefined;
}

/**
 * Sends an image of the store to a registry, by default to the one in its name.
 * @throws INCOMPLETE_IMAGE where the store lacks some of its platforms; USAGE
 */
export async function push(
  image: string | Location,
  to: string | Location | undefined,
  options: PushOptions = {},
): Promise<CopyResult> {
  const given = asStoreLocation(image);
  const target = to === undefined ? undefined : asLocation(to);
  if (target && target.kind !== "registry") throw notRegistry(target.text);
  if (!target && !namesRegistry(given.name)) throw notRegistry(given.name);
  await using held = holdStore(options);
  const { store } = held;
  const { name } = await findImage(store, given);
  const location = target ?? locationOf(given);
  if (!options.platforms) await requireAllPlatforms(store, name);
  await using destination = openRegistry(location, options);
  return await copyOpened(openStored(store, { ...given, name, text: `store:${name}` }), destination, options);
}

function notRegistry(text: string): GantryError<"USAGE"> {
  return new GantryError("USAGE", `push sends to a registry; for ${text} use \`gantry cp\``);
}

/** The location in a registry that the name of a stored image gives. @throws USAGE where it gives none */
function locationOf({ reference, fault }: StoreLocation): RegistryLocation {
  if (reference) return { kind: "registry", text: reference.toFullString(), reference };
  throw new GantryError("USAGE", `${fault}; say where to push it: \`gantry push NAME REF\``);
}

async function requireAllPlatforms(store: Store, name: string): Promise<void> {
  const missing = await missingManifests({ store, name });
  if (missing.length === 0) return;
  const names = missing.map((entry) => (entry.platform ? formatPlatform(entry.platform) : entry.digest));
  const pull = store.advice.pull(name, { platform: "all" });
  throw new GantryError(
    "INCOMPLETE_IMAGE",
    `the store has only a part of ${name}: ${names.join(", ")} missing. ${pull ? `Pull the rest with \`${pull}\`, or push` : "Push"} one platform with --platform`,
    { details: { missing: names } },
  );
}
