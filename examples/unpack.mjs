// node examples/unpack.mjs REF STORE ROOTFS: unpacks an image into a directory, as a root filesystem.
import { Store, unpack } from "gantry";

const [reference, directory, rootfs] = process.argv.slice(2);
const store = new Store(directory);
const { digest, entries, warnings } = await unpack(reference, rootfs, { store });
console.log(`${rootfs} is ${digest}: ${entries} entries, ${warnings.length} warnings`);
await store.close();
