// What a user of the package may write; the tests bundle it into one file.
import { copy, isGantryError, pull, unpack } from "gantry";

async function main([image, directory]) {
  let workers = 0;
  process.on("worker", () => {
    workers += 1;
  });
  await copy(image, `oci:${directory}/layout:latest`);
  const { entries, warnings } = await unpack(`oci:${directory}/layout:latest`, `${directory}/rootfs`);
  const pulled = await pull(image, { store: `${directory}/store` }).then(
    ({ descriptor }) => descriptor.digest,
    (error) => (isGantryError(error, "NATIVE_UNAVAILABLE") ? error.message : `${error.code}: ${error.message}`),
  );
  console.log(JSON.stringify({ workers, entries, warnings, pulled }));
}

main(process.argv.slice(2));
