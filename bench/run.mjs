// npm run bench [-- --images DIR] [--rounds N] [--only WORD]: compares gantry with skopeo, umoci and tar. The images
// are made of this checkout. DIR is a directory of layouts to use instead; missing ones are made in it.
// `--only tags` compares served layouts with few and with many tags, and needs neither root nor another program.
//
// A disk can distort results. So everything is written to a fresh ext4 in a loop file, each run into a new directory;
// nothing is deleted in between, the disk is synced before each run, and the runs of a round alternate between the
// programs. Numbers are medians of the wall times of whole processes. Compare only ratios within a run.
import { execFileSync, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { ensureBuilt, ensureInstalled, root } from "../scripts/setup.mjs";
import { makeImages } from "./images.mjs";
import { benchTags } from "./tags.mjs";

const { values: flags } = parseArgs({
  options: {
    images: { type: "string" },
    rounds: { type: "string", default: "3" },
    only: { type: "string" },
    json: { type: "string" },
  },
});
ensureInstalled();
ensureBuilt();
const rounds = Number(flags.rounds);
const gantry = [process.execPath, join(root, "dist/cli/main.js")];
const quiet = ["--progress", "none"];
const sh = (script, ...args) =>
  execFileSync("bash", ["-euo", "pipefail", "-c", script, "bash", ...args], {
    stdio: ["ignore", "pipe", "inherit"],
    encoding: "utf8",
  });

// This benchmark needs no other program and no disk of its own, and so no root.
if (flags.only === "tags") {
  const work = mkdtempSync(join(tmpdir(), "gantry-bench-"));
  try {
    const report = await benchTags(work);
    if (flags.json) writeFileSync(flags.json, JSON.stringify(report, null, 2));
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  process.exit();
}
if (process.getuid?.() !== 0) throw new Error("the benchmark mounts a file system of its own: run it as root");
for (const program of ["skopeo", "umoci", "docker-registry", "mkfs.ext4"])
  sh('command -v "$1" >/dev/null || { echo "missing: $1" >&2; exit 1; }', program);

/** Layouts named tiny, debian, node-app and fat, each with the tag latest. */
const images = flags.images ?? join(root, "node_modules/.cache/gantry-bench");
await makeImages(images);

const work = mkdtempSync(join(tmpdir(), "gantry-bench-"));
const disk = join(work, "disk");
mkdirSync(disk);
sh(
  'truncate -s 60G "$1.img"; mkfs.ext4 -q -F -E lazy_itable_init=0,lazy_journal_init=0 "$1.img"; mount -o loop "$1.img" "$1"',
  disk,
);
const children = [];
let fresh = 0;
const newPath = (name) => {
  fresh += 1;
  return join(disk, `${name}-${fresh}`);
};

/** Wall seconds, CPU seconds and peak memory (MiB, VmHWM of the process, workers included) of one command. */
async function time(command) {
  sh("sync");
  const started = performance.now();
  const child = spawn(command[0], command.slice(1), { stdio: ["ignore", "ignore", "pipe"] });
  let said = "";
  child.stderr.on("data", (data) => {
    said += data;
  });
  let peak = 0;
  const watch = setInterval(() => {
    try {
      peak = Math.max(
        peak,
        Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, "utf8"))?.[1] ?? 0) / 1024,
      );
    } catch {}
  }, 5);
  const code = await new Promise((resolve) => child.once("exit", resolve));
  clearInterval(watch);
  if (code !== 0) throw new Error(`${command.join(" ")} ended with ${code}: ${said}`);
  return { wall: (performance.now() - started) / 1000, peak };
}

const median = (numbers) => [...numbers].sort((a, b) => a - b)[numbers.length >> 1];
const report = [];

/** Runs each program in turn, `count` times. A target is the highest allowed ratio of gantry's time to a program's. */
async function compare(name, programs, targets, count = rounds) {
  if (flags.only && !name.includes(flags.only)) return;
  const runs = Object.fromEntries(Object.keys(programs).map((key) => [key, []]));
  for (let round = 0; round < count; round += 1) {
    for (const [key, command] of Object.entries(programs)) runs[key].push(await time(command()));
  }
  const walls = Object.fromEntries(
    Object.entries(runs).map(([key, list]) => [key, median(list.map((run) => run.wall))]),
  );
  const peak = Math.max(...runs.gantry.map((run) => run.peak));
  const ratios = Object.entries(targets).map(([key, max]) => ({ to: key, ratio: walls.gantry / walls[key], max }));
  report.push({ name, walls, peak, ratios });
  const shown = Object.entries(walls).map(([key, wall]) => `${key} ${wall.toFixed(3)}`);
  const verdicts = ratios.map(
    ({ to, ratio, max }) =>
      `${ratio.toFixed(2)} of ${to}${max ? ` (target ${max}: ${ratio <= max ? "met" : "MISSED"})` : ""}`,
  );
  console.log(`${name.padEnd(18)} ${shown.join("  ")}  | ${verdicts.join(", ")} | peak ${peak.toFixed(0)} MiB`);
}

async function memory(name, command, max) {
  if (flags.only && !name.includes(flags.only) && flags.only !== "memory") return;
  const { wall, peak } = await time(command());
  report.push({ name, peak, wall, max });
  console.log(
    `${name.padEnd(18)} peak ${peak.toFixed(0)} MiB (target ${max}: ${peak <= max ? "met" : "MISSED"}), ${wall.toFixed(2)} s`,
  );
}

/** A layout of one layer, 2 GiB compressed. */
function bigImage() {
  const layout = join(images, "big");
  if (existsSync(join(layout, "index.json"))) return;
  const bytes = "head -c 2147483648 /dev/zero | openssl enc -aes-128-ctr -nosalt -pass pass:x 2>/dev/null";
  sh(
    `mkdir -p "$1/b/opt" "$1/${"blobs/sha256"}"; ${bytes} >"$1/b/opt/big"; cd "$1"; tar -C b -cf l.tar .; rm -r b; gzip -1 -n <l.tar >l.gz
    d=$(sha256sum <l.tar | cut -d' ' -f1); rm l.tar; h=$(sha256sum <l.gz | cut -d' ' -f1); s=$(stat -c %s l.gz); mv l.gz blobs/sha256/$h
    put() { printf %s "$1" >doc; h2=$(sha256sum <doc | cut -d' ' -f1); s2=$(stat -c %s doc); mv doc blobs/sha256/$h2; }
    put "{\\"architecture\\":\\"amd64\\",\\"os\\":\\"linux\\",\\"rootfs\\":{\\"type\\":\\"layers\\",\\"diff_ids\\":[\\"sha256:$d\\"]}}"
    put "{\\"schemaVersion\\":2,\\"mediaType\\":\\"application/vnd.oci.image.manifest.v1+json\\",\\"config\\":{\\"mediaType\\":\\"application/vnd.oci.image.config.v1+json\\",\\"digest\\":\\"sha256:$h2\\",\\"size\\":$s2},\\"layers\\":[{\\"mediaType\\":\\"application/vnd.oci.image.layer.v1.tar+gzip\\",\\"digest\\":\\"sha256:$h\\",\\"size\\":$s}]}"
    printf '{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:%s","size":%s,"annotations":{"org.opencontainers.image.ref.name":"latest"}}]}' $h2 $s2 >index.json
    printf '{"imageLayoutVersion":"1.0.0"}' >oci-layout`,
    layout,
  );
}

/** A store of version 1, which the first command migrates. All of its 10,000 images have blobs, `named` of them a name. */
function crowdedStore(named, blobsFrom) {
  const store = newPath("crowded");
  const hex = (bytes) => createHash("sha256").update(bytes).digest("hex");
  const blobs = join(store, "blobs/sha256");
  mkdirSync(blobsFrom ? store : blobs, { recursive: true });
  if (blobsFrom) sh('cp -al "$1" "$2"', join(blobsFrom, "blobs"), store);
  const put = (bytes, mediaType) => {
    const digest = hex(bytes);
    if (!blobsFrom) writeFileSync(join(blobs, digest), bytes);
    return { mediaType, digest: `sha256:${digest}`, size: Buffer.byteLength(bytes) };
  };
  const manifests = [];
  for (let at = 0; at < 10_000; at += 1) {
    const layers = [0, 1, 2].map((layer) => put(`layer ${layer} of ${at}`, "application/vnd.oci.image.layer.v1.tar"));
    const rootfs = { type: "layers", diff_ids: layers.map(({ digest }) => digest) };
    const config = put(
      JSON.stringify({ architecture: "amd64", os: "linux", rootfs }),
      "application/vnd.oci.image.config.v1+json",
    );
    const mediaType = "application/vnd.oci.image.manifest.v1+json";
    const target = put(JSON.stringify({ schemaVersion: 2, mediaType, config, layers }), mediaType);
    const name = `registry.example.org/team-${at % 40}/app-${at}:v1`;
    if (at < named) manifests.push({ ...target, annotations: { "org.opencontainers.image.ref.name": name } });
  }
  for (const name of ["leases", "layers"]) mkdirSync(join(store, name));
  writeFileSync(join(store, "oci-layout"), '{"imageLayoutVersion":"1.0.0"}');
  writeFileSync(join(store, "index.json"), JSON.stringify({ schemaVersion: 2, manifests }));
  writeFileSync(join(store, "version.json"), '{"version":1}');
  execFileSync(gantry[0], [...gantry.slice(1), "images", "--store", store], { stdio: "ignore", maxBuffer: 1 << 26 });
  return store;
}

/** Lists 10,000 images with 50,000 blobs, and collects half of them. */
async function crowd() {
  const wanted = ["images ls", "images gc"].some((name) => !flags.only || name.includes(flags.only));
  if (!wanted) return;
  const store = crowdedStore(10_000);
  const rows = { gantry: [], node: [] };
  const list = [...gantry, "images", "ls", "--store", store];
  for (let round = 0; round < 15; round += 1) {
    rows.gantry.push((await time(list)).wall);
    rows.node.push((await time([process.execPath, "-e", "0"])).wall);
  }
  const above = (median(rows.gantry) - median(rows.node)) * 1000;
  report.push({ name: "images ls", walls: rows, above });
  console.log(
    `${"images ls".padEnd(18)} ${median(rows.gantry).toFixed(3)}  node ${median(rows.node).toFixed(3)}  | ${above.toFixed(0)} ms above (target 60: ${above <= 60 ? "met" : "MISSED"})`,
  );
  // A changed directory of blobs invalidates the cache, as a pull does.
  writeFileSync(join(store, "blobs/sha256", "0".repeat(64)), "x");
  const again = (await time(list)).wall;
  console.log(`${"images ls".padEnd(18)} ${again.toFixed(3)}  right after a change of the blobs`);
  const { wall, peak } = await time([...gantry, "images", "gc", "--store", crowdedStore(5_000, store)]);
  report.push({ name: "images gc", wall, peak });
  const met = wall <= 10 && peak <= 150;
  console.log(
    `${"images gc".padEnd(18)} ${wall.toFixed(2)} s, peak ${peak.toFixed(0)} MiB for 25,000 of 50,000 blobs (target 10 s, 150 MiB: ${met ? "met" : "MISSED"})`,
  );
}

/** gzip and GNU tar for each layer in turn: no digests, no whiteouts. */
const tarPipe = (layout) => {
  const target = newPath("tar");
  const blobs = join(layout, "blobs/sha256");
  const top = JSON.parse(readFileSync(join(layout, "index.json"), "utf8")).manifests[0].digest.slice(7);
  const layers = JSON.parse(readFileSync(join(blobs, top), "utf8")).layers.map((layer) =>
    join(blobs, layer.digest.slice(7)),
  );
  return [
    "bash",
    "-c",
    `mkdir ${target}; for l in ${layers.join(" ")}; do gzip -dc $l | tar -C ${target} --xattrs --xattrs-include='*' -xpf -; done`,
  ];
};

async function registry() {
  const probe = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => probe.once("listening", resolve));
  const host = `127.0.0.1:${probe.address().port}`;
  await new Promise((resolve) => probe.close(resolve));
  const config = join(work, "registry.yml");
  writeFileSync(
    config,
    `version: 0.1\nlog: {level: error, accesslog: {disabled: true}}\nstorage: {filesystem: {rootdirectory: ${work}/registry}}\nhttp: {addr: "${host}"}\n`,
  );
  children.push(spawn("docker-registry", ["serve", config], { stdio: "ignore" }));
  while (
    !(await fetch(`http://${host}/v2/`).then(
      (r) => r.ok,
      () => false,
    ))
  )
    await sleep(50);
  return host;
}

try {
  const node = () => [process.execPath, "-e", "0"];
  await compare(
    "version",
    { gantry: () => [...gantry, "--version"], node, skopeo: () => ["skopeo", "--version"] },
    { node: 1.2 },
    15,
  );
  await crowd();
  if (!flags.only) report.push(...(await benchTags(newPath("tags"))));
  bigImage();
  const host = await registry();
  for (const name of ["tiny", "debian", "node-app", "fat", "big"]) {
    sh(
      'skopeo --insecure-policy copy -q --dest-tls-verify=false "oci:$1:latest" "docker://$2"',
      join(images, name),
      `${host}/${name}:latest`,
    );
    sh('cat "$1"/blobs/sha256/* >/dev/null', join(images, name));
  }
  await compare("digest", { gantry: () => [...gantry, "digest", `${host}/tiny`], node }, { node: 1.5 }, 15);
  for (const [name, max] of [
    ["tiny", 3],
    ["debian", undefined],
    ["node-app", undefined],
    ["fat", 1],
  ]) {
    const pull = () => [...gantry, "pull", ...quiet, "--store", newPath("store"), `${host}/${name}`];
    const skopeo = () => [
      "skopeo",
      "--insecure-policy",
      "copy",
      "-q",
      "--src-tls-verify=false",
      `docker://${host}/${name}:latest`,
      `oci:${newPath("layout")}:latest`,
    ];
    await compare(`pull ${name}`, { gantry: pull, skopeo }, { skopeo: max }, Math.max(rounds, 3));
  }
  for (const [name, max] of [
    ["tiny", undefined],
    ["debian", undefined],
    ["fat", undefined],
    ["node-app", 0.35],
  ]) {
    const layout = join(images, name);
    const programs = {
      gantry: () => [...gantry, "unpack", ...quiet, `oci:${layout}:latest`, newPath("gantry")],
      umoci: () => ["umoci", "unpack", "--image", `${layout}:latest`, newPath("umoci")],
      raw: () => ["umoci", "raw", "unpack", "--image", `${layout}:latest`, newPath("raw")],
      tar: () => tarPipe(layout),
    };
    await compare(`unpack ${name}`, programs, { umoci: max, raw: undefined, tar: undefined });
  }
  for (const [name, size] of [
    ["debian", "50 MB"],
    ["fat", "460 MB"],
    ["big", "2 GB"],
  ]) {
    await memory(
      `memory pull ${size}`,
      () => [...gantry, "pull", ...quiet, "--store", newPath("store"), `${host}/${name}`],
      150,
    );
    await memory(
      `memory unpack ${size}`,
      () => [...gantry, "unpack", ...quiet, `oci:${join(images, name)}:latest`, newPath("gantry")],
      150,
    );
  }
  if (flags.json) writeFileSync(flags.json, JSON.stringify(report, null, 2));
} finally {
  for (const child of children) child.kill("SIGKILL");
  sh('umount "$1" || umount -l "$1"', disk);
  rmSync(work, { recursive: true, force: true });
}
