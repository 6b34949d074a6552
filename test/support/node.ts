import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** A newer Node than the oldest supported one; scripts/test.mjs installs it from npm. */
export const newerNode: string = fileURLToPath(
  new URL("../../node_modules/.cache/gantry/node_modules/newer-node/bin/node", import.meta.url),
);

/** Why a test that needs it cannot run here; undefined if it can. */
export const noNewerNode: string | undefined = existsSync(newerNode)
  ? undefined
  : "needs a newer Node on linux-x64 or linux-arm64: npm test installs it";
