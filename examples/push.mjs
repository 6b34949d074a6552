// node examples/push.mjs NAME STORE REF: sends an image of a store to a registry.
import { push, Store } from "gantry";

const [name, directory, to] = process.argv.slice(2);
const store = new Store(directory);
const { descriptor } = await push(name, to, { store });
console.log(`pushed ${descriptor.digest}`);
await store.close();
