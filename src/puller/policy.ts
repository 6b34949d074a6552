import { GantryError } from "../base/error.ts";
import { hostPlatform } from "../images/platform.ts";
import type { Platform } from "../spec/types.ts";
import { isComplete } from "./complete.ts";
import { type PullImageOptions, pullImage } from "./pull.ts";

/** When an image is pulled: only if the store lacks it, always, or never. The names are those of Kubernetes. */
export type PullPolicy = "IfNotPresent" | "Always" | "Never";

const policies: readonly string[] = ["IfNotPresent", "Always", "Never"] satisfies PullPolicy[];

/** Refuses other words: a misspelt Never would pull the image. @throws USAGE */
export function requirePolicy(policy: PullPolicy): void {
  if (policies.includes(policy)) return;
  const given = JSON.stringify(policy) ?? String(policy);
  throw new GantryError("USAGE", `the policy ${given} is not one of ${policies.join(", ")}; name one of these`);
}

export interface EnsureImageOptions extends Omit<PullImageOptions, "platforms"> {
  readonly policy: PullPolicy;
  /** Default: the host's platform. */
  readonly platform?: Platform | undefined;
}

/**
 * Makes sure that a store has an image for one platform, pulling it as the policy says.
 * @throws USAGE for an unknown policy, IMAGE_NOT_FOUND where the policy Never forbids pulling a missing image
 */
export async function ensureImage(options: EnsureImageOptions): Promise<void> {
  const { policy, platform = hostPlatform(), store, name } = options;
  requirePolicy(policy);
  if (policy !== "Always" && (await isComplete({ ...options, platform }))) return;
  if (policy === "Never") {
    throw new GantryError(
      "IMAGE_NOT_FOUND",
      `the store ${store.directory} does not have all of ${name}, and the policy Never forbids pulling it; pull it first, or use another policy`,
    );
  }
  await pullImage({ ...options, platforms: [platform] });
}
