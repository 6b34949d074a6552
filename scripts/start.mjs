// npm start: the main job on an embedded default. A registry of our own on a free loopback port, a small image for two
// platforms, pushed, pulled into a fresh store, unpacked. Leaves nothing running.
import { spawn } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { join, relative } from "node:path";
import { ensureBuilt, ensureInstalled, root } from "./setup.mjs";

ensureInstalled();
ensureBuilt();
const { serve } = await import("../dist/server/index.js");
const { LayoutRegistry, RemoteRegistry } = await import("../dist/registry/index.js");
const { pushImage, testImage, testIndex, testLayer } = await import("../dist/testing/index.js");

const work = join(root, ".gantry");
rmSync(work, { recursive: true, force: true });
mkdirSync(work);
const seconds = (from) => `${((performance.now() - from) / 1000).toFixed(2)} s`;
const say = (text) => process.stdout.write(`${text}\n`);

/** The files below a directory as archive entries, in the order of their names. */
function entries(directory, base = directory) {
  return readdirSync(directory)
    .sort()
    .flatMap((name) => {
      const path = join(directory, name);
      const stat = statSync(path);
      const entry = { name: relative(base, path), mtime: 1735689600 };
      if (stat.isDirectory()) return [{ ...entry, type: "directory" }, ...entries(path, base)];
      return [{ ...entry, data: readFileSync(path), mode: name === "hello" ? 0o755 : 0o644 }];
    });
}

/** Runs the command the way a user would, with progress on this terminal. */
function gantry(...args) {
  say(
    `\n$ gantry ${args.map((arg) => (relative(root, arg).startsWith("..") || !arg.startsWith("/") ? arg : relative(root, arg))).join(" ")}`,
  );
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ["dist/cli/main.js", ...args], { stdio: ["ignore", "inherit", "inherit"] });
    child
      .on("error", reject)
      .on("exit", (code) => (code === 0 ? resolve() : reject(new Error(`gantry ${args[0]} ended with ${code}`))));
  });
}

function tree(directory, indent = "  ") {
  for (const name of readdirSync(directory).sort()) {
    const path = join(directory, name);
    const directoryEntry = statSync(path).isDirectory();
    say(`${indent}${name}${directoryEntry ? "/" : `  ${statSync(path).size} bytes`}`);
    if (directoryEntry) tree(path, `${indent}  `);
  }
}

let started = performance.now();
const layout = new LayoutRegistry(join(work, "registry"), { create: true });
const service = await serve(layout);
say(`registry  http://${service.host}, on a free port (${seconds(started)})`);
try {
  started = performance.now();
  const common = testLayer(entries(join(root, "examples/hello/common")));
  const images = ["amd64", "arm64"].map((architecture) =>
    testImage([common, testLayer([{ name: "etc/platform", data: `linux/${architecture}\n`, mtime: 1735689600 }])], {
      platform: { os: "linux", architecture },
      config: { Cmd: ["/bin/hello"], Env: ["PATH=/bin"] },
    }),
  );
  const remote = new RemoteRegistry(service.host);
  const pushed = await pushImage(remote, "hello", testIndex(images), "latest");
  await remote.close();
  say(`pushed    hello:latest for linux/amd64 and linux/arm64 as ${pushed.digest} (${seconds(started)})`);

  const store = join(work, "store");
  const rootfs = join(work, "rootfs");
  const reference = `${service.host}/hello:latest`;
  started = performance.now();
  await gantry("pull", "--store", store, reference);
  say(`pulled in ${seconds(started)}`);
  started = performance.now();
  await gantry("unpack", "--store", store, reference, rootfs);
  say(`unpacked in ${seconds(started)}\n\n.gantry/rootfs`);
  tree(rootfs);
  say(`
Next, from this directory:
  node dist/cli/main.js inspect oci:.gantry/registry:hello:latest
  node dist/cli/main.js manifest oci:.gantry/registry:hello:latest
  node dist/cli/main.js unpack --store .gantry/store --policy Never ${reference} .gantry/again
  node dist/cli/main.js cp oci:.gantry/registry:hello:latest oci:.gantry/copy:latest
  node dist/cli/main.js serve oci:.gantry/registry --listen 127.0.0.1:5000
  node dist/cli/main.js --help`);
} finally {
  await service.close();
  await layout.close();
}
