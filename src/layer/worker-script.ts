import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { GantryError } from "../base/error.ts";

/** The worker's script beside the built code, wherever the bundler put this part of it. */
export function workerScript(): URL {
  const places = ["./worker.js", "./layer/worker.js", "../layer/worker.js", "../../dist/layer/worker.js"];
  const found = places.map((place) => new URL(place, import.meta.url)).find((url) => existsSync(fileURLToPath(url)));
  if (found) return found;
  throw new GantryError("WORKER_FAILED", "the worker's script is not installed beside gantry; unpack with workers: 0");
}
