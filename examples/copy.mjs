// node examples/copy.mjs SRC DST: copies an image, all platforms, byte for byte.
import { copy, isGantryError } from "gantry";

const [from, to] = process.argv.slice(2);
try {
  const { descriptor, blobs } = await copy(from, to, { signal: AbortSignal.timeout(60_000) });
  console.log(`${to} is ${descriptor.digest}: ${blobs.moved} blobs moved, ${blobs.existing} existing`);
} catch (error) {
  // `code` is stable; `origin` says which side failed: source or destination.
  if (!isGantryError(error, "MANIFEST_UNKNOWN", "NAME_UNKNOWN")) throw error;
  console.error(`not found at the ${error.origin}: ${error.message}`);
  process.exitCode = 3;
}
