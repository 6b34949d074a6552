// node examples/pull.mjs REF STORE: pulls an image into a store, and shows each blob when it is done.
import { pull, Store } from "gantry";

const [reference, directory] = process.argv.slice(2);
const store = new Store(directory);
const progress = (event) => {
  if (event.type === "end") console.error(`${event.id.slice(0, 19)} ${event.result}`);
};
const { name, descriptor, blobs } = await pull(reference, { store, progress });
console.log(`${name} is ${descriptor.digest}: ${blobs.moved} blobs moved`);
await store.close();
