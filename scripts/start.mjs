// npm start: shows the main job. It starts a registry on a free loopback port and pushes the packages of this checkout
// as an image for two platforms. It pulls the image, pulls it again over a connection that is cut, shows that a changed
// byte is refused, unpacks the image and compares it with its source. `npm start -- REF` uses an image of a registry.
import { lstatSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { ensureBuilt, ensureInstalled, root } from "./setup.mjs";

ensureInstalled();
ensureBuilt();
const { LayoutRegistry, RemoteRegistry } = await import("../dist/registry/index.js");
const { startTestRegistry } = await import("../dist/testing/index.js");
const { inspect, Store } = await import("../dist/verbs/index.js");
const { compareTrees, compareWithEntries } = await import("./start/compare.mjs");
const { entriesOf, pushImage } = await import("./start/image.mjs");
const { gantry, gantryOrFail, heading, mebibytes, result, say, table } = await import("./start/show.mjs");

const given = process.argv[2];
const work = join(root, ".gantry");
rmSync(work, { recursive: true, force: true });
mkdirSync(work);
const rows = [];
/** The platform to pull: for a given image that of this machine, because others may be missing. */
const architecture = given && process.arch !== "x64" ? process.arch : "amd64";
const platform = `linux/${architecture}`;

/** The packages of this checkout, the large ones in a layer of their own. */
const modules = join(root, "node_modules");
const isLarge = (name) => /^(?:@biomejs|@rolldown|typescript|vite)$/.test(name);
const packages = readdirSync(modules).filter((name) => name !== ".vite");
/** The last layer removes it, as image builds clean up. */
const deleted = "app/node_modules/typescript/README.md";

const directory = (name) => ({ name, type: "directory", mode: 0o755, mtime: 1_735_689_600 });
function* packageEntries(wanted) {
  for (const name of packages.filter(wanted).sort()) yield* entriesOf(join(modules, name), `app/node_modules/${name}`);
}
const layers = {
  *large() {
    yield directory("app");
    yield directory("app/node_modules");
    yield* packageEntries(isLarge);
  },
  *small() {
    yield* packageEntries((name) => !isLarge(name));
  },
  *own(architecture) {
    yield* entriesOf(join(root, "dist"), "app/dist");
    yield directory("etc");
    yield { name: "etc/platform", data: `linux/${architecture}\n`, mode: 0o644, mtime: 1_735_689_600 };
    yield { ...directory(deleted.replace(/([^/]+)$/, ".wh.$1")), type: "file" };
  },
};

/** The entries that the unpacked tree must have: all except the whiteout and the file that it hides. */
function* expectedEntries(architecture) {
  for (const entry of [...layers.large(), ...layers.small(), ...layers.own(architecture)]) {
    if (entry.name !== deleted && !entry.name.includes("/.wh.")) yield entry;
  }
}

function filesBelow(path) {
  const stat = lstatSync(path);
  return stat.isDirectory()
    ? readdirSync(path).reduce((sum, name) => sum + filesBelow(join(path, name)), 0)
    : stat.size;
}

const layout = new LayoutRegistry(join(work, "registry"), { create: true });
const server = await startTestRegistry({ registry: layout });
const reference = `${server.host}/demo:latest`;
try {
  heading(`A registry on ${server.host}, kept in .gantry/registry`);
  let started = performance.now();
  if (given) {
    await gantryOrFail("cp", "--platform", platform, given, `docker://${reference}`);
  } else {
    const remote = new RemoteRegistry(server.host);
    await pushImage(remote, "demo", {
      shared: [layers.large(), layers.small()],
      own: layers.own,
      architectures: ["amd64", "arm64"],
      config: { Cmd: ["node", "/app/dist/cli/main.js"], WorkingDir: "/app" },
      tag: "latest",
    });
    await remote.close();
  }
  const found = await inspect(reference);
  const images = found.images ?? [];
  const blobs = new Map(images.flatMap((image) => image.layers).map((layer) => [layer.digest, layer.size]));
  const total = [...blobs.values()].reduce((sum, size) => sum + size, 0);
  rows.push({
    step: given ? "copy into it" : "archive, compress, push",
    bytes: total,
    ms: performance.now() - started,
    note: `${images.length} platforms, ${blobs.size} layers`,
  });
  await gantryOrFail("inspect", reference);

  heading("Pull: every blob is verified while it is written");
  const wanted = images.find((image) => image.platform?.architecture === architecture) ?? images[0];
  const size = wanted.layers.reduce((sum, layer) => sum + layer.size, 0);
  const only = ["--platform", platform];
  const store = join(work, "store");
  rows.push({ step: "pull", bytes: size, ms: await gantryOrFail("pull", "--store", store, ...only, reference) });

  heading("Pull again, while the connection is cut in the middle of the largest layer");
  const largest = [...wanted.layers].sort((a, b) => b.size - a.size)[0];
  const path = new RegExp(`/blobs/${largest.digest}`);
  const cut = largest.size >> 1;
  server.faults = [{ on: { kind: "cut", after: cut }, method: "GET", path, times: 1 }];
  server.requests.length = 0;
  const second = join(work, "store-2");
  const ms = await gantryOrFail("pull", "--store", second, ...only, reference);
  const range = server.requests.filter((request) => path.test(request.path)).at(-1)?.headers.range;
  result(`${mebibytes(cut)} of ${mebibytes(largest.size)} had arrived; the next request asked for ${range}`);
  rows.push({ step: "pull, cut once", bytes: size, ms, note: `resumed at ${mebibytes(cut)}` });

  heading("Pull from a registry that changes one byte of a layer");
  const victim = wanted.layers.at(-1);
  server.faults = [{ on: { kind: "corrupt" }, method: "GET", path: new RegExp(`/blobs/${victim.digest}`) }];
  const third = new Store(join(work, "store-3"));
  const refused = await gantry("pull", "--store", third.directory, ...only, reference);
  const named = (await third.images.list()).length;
  await third.close();
  if (refused.code !== 5 || named > 0) throw new Error(`a changed byte: exit code ${refused.code}, ${named} names`);
  result("refused with exit code 5 (verification failed); the store has no such name");
  rows.push({ step: "pull, one byte changed", ms: refused.ms, note: "refused, exit code 5" });
  server.faults = [];

  heading("Unpack, and compare with the source");
  const rootfs = join(work, "rootfs");
  const unpacked = await gantryOrFail("unpack", "--store", store, ...only, "--policy", "Never", reference, rootfs);
  const bytes = filesBelow(rootfs);
  rows.push({ step: "unpack", bytes, ms: unpacked });
  started = performance.now();
  let comparison;
  if (given) {
    const other = join(work, "rootfs-2");
    await gantryOrFail("unpack", ...only, "oci:.gantry/registry:demo:latest", other);
    comparison = compareTrees(rootfs, other);
  } else comparison = compareWithEntries(rootfs, expectedEntries(architecture));
  const { compared, different } = comparison;
  if (different.length > 0) throw new Error(`${different.length} paths differ: ${different.slice(0, 5).join(", ")}`);
  const other = given ? "a second unpack, from the layout of the registry" : "this checkout";
  result(`${compared} paths are equal to ${other}: types, bytes, modes, times, links`);
  rows.push({ step: "compare", bytes, ms: performance.now() - started, note: `${compared} paths, no difference` });

  say();
  table(rows);
  say(`
Next, from this directory:
  node dist/cli/main.js inspect oci:.gantry/registry:demo:latest
  node dist/cli/main.js cp oci:.gantry/registry:demo:latest oci:.gantry/copy:latest
  node dist/cli/main.js serve oci:.gantry/registry --listen 127.0.0.1:5000
  node dist/cli/main.js --help
  npm start -- debian:stable-slim     # the same with an image of a registry`);
} finally {
  await server.close();
  await layout.close();
}
