// Measures what tags cost in a served layout, and how the cost grows with their number: 100 tags and 20,000.
import { spawn } from "node:child_process";
import { mkdirSync } from "node:fs";
import { Agent, request } from "node:http";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { root } from "../scripts/setup.mjs";

/** The number of manifests that the tags are spread over, in both layouts. */
const MANIFESTS = 100;
const TARGET = 1.5;
const REPO = "bench/app";
const type = "application/vnd.oci.image.manifest.v1+json";

const tagOf = (at) => `v${String(at).padStart(6, "0")}`;
const median = (numbers) => [...numbers].sort((a, b) => a - b)[numbers.length >> 1];

/** The bytes of the same image under another digest. */
const variant = (manifest, name) => Buffer.from(JSON.stringify({ ...manifest, annotations: { name } }));

/** Builds a layout with a number of tags: one image, then tags in batches, through the registry of `gantry serve`. */
async function build(directory, tags) {
  const { openServed } = await import("../dist/verbs/index.js");
  const { parseRepoName, parseTag } = await import("../dist/reference/index.js");
  const { pushImage, randomImage } = await import("../dist/testing/index.js");
  const started = performance.now();
  const { registry } = await openServed(`oci:${directory}`);
  const image = randomImage({ sizes: [10_000] });
  await pushImage(registry, REPO, image);
  const manifest = JSON.parse(image.documents[0].bytes.toString());
  const digests = [];
  for (let at = 0; at < MANIFESTS; at += 1) {
    const own = Array.from({ length: tags / MANIFESTS }, (_, nth) => parseTag(tagOf(nth * MANIFESTS + at)));
    const bytes = variant(manifest, `manifest ${at}`);
    digests.push((await registry.pushManifest(parseRepoName(REPO), bytes, type, { tags: own })).digest);
  }
  await registry.close();
  return { manifest, digests, seconds: (performance.now() - started) / 1000 };
}

/** Starts `gantry serve` as a process of its own. */
async function serve(directory) {
  const command = [join(root, "dist/cli/main.js"), "serve", `oci:${directory}`, "--listen", "127.0.0.1:0"];
  const child = spawn(process.execPath, command, { stdio: ["ignore", "pipe", "inherit"] });
  for await (const line of createInterface({ input: child.stdout })) {
    const host = /http:\/\/(\S+)/.exec(line)?.[1];
    if (host) return { child, host };
  }
  throw new Error("gantry serve ended before it listened");
}

/** @returns milliseconds until the whole answer has arrived, on a connection that stays open */
function ask(agent, host, method, path, body) {
  const started = performance.now();
  return new Promise((resolve, reject) => {
    const headers = body ? { "content-type": type, "content-length": body.length } : { accept: type };
    const asked = request(`http://${host}/v2/${REPO}/${path}`, { agent, method, headers }, (response) => {
      response.resume();
      response.once("error", reject);
      response.once("end", () => {
        if (response.statusCode < 300) return resolve(performance.now() - started);
        reject(new Error(`${method} ${path} was answered with ${response.statusCode}`));
      });
    });
    asked.once("error", reject);
    asked.end(body);
  });
}

/** The requests to measure: each is made for a layout, the `nth` time. */
const operations = {
  push: ({ manifest }, nth) => ["PUT", `manifests/new-${nth}`, variant(manifest, `new ${nth}`)],
  "get by tag": ({ tags }, nth) => ["GET", `manifests/${tagOf((nth * 7919) % tags)}`],
  "get by digest": ({ digests }, nth) => ["GET", `manifests/${digests[(nth * 31) % digests.length]}`],
  // With the fewest tags, 50 follow the middle one.
  "page of tags": ({ tags }) => ["GET", `tags/list?n=100&last=${tagOf(tags / 2)}`],
};
const WARM_UP = 5;

/**
 * @param work a directory for the layouts
 * @param size the number of tags of each layout, multiples of 100, and how often each request is made
 * @returns the rows of the report
 */
export async function benchTags(work, { few = 100, many = 20_000, count = 60 } = {}) {
  const report = [];
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const layouts = [];
  mkdirSync(work, { recursive: true });
  try {
    for (const tags of [few, many]) {
      const directory = join(work, `tags-${tags}`);
      const built = await build(directory, tags);
      console.log(`${"tags build".padEnd(18)} ${tags} tags in ${built.seconds.toFixed(1)} s`);
      layouts.push({ tags, ...built, ...(await serve(directory)) });
    }
    for (const [name, of] of Object.entries(operations)) {
      const times = layouts.map(() => []);
      for (let nth = 0; nth < count + WARM_UP; nth += 1) {
        // In turn, so that other work of the machine slows both equally.
        for (const [at, layout] of layouts.entries()) {
          const took = await ask(agent, layout.host, ...of(layout, nth));
          if (nth >= WARM_UP) times[at].push(took);
        }
      }
      const [fast, slow] = times.map(median);
      const ratio = slow / fast;
      report.push({ name: `tags ${name}`, tags: { few, many }, walls: { few: fast, many: slow }, ratio, max: TARGET });
      console.log(
        `${`tags ${name}`.padEnd(18)} ${few}: ${fast.toFixed(2)} ms  ${many}: ${slow.toFixed(2)} ms  | ratio ${ratio.toFixed(2)} (target ${TARGET}: ${ratio <= TARGET ? "met" : "MISSED"})`,
      );
    }
  } finally {
    agent.destroy();
    for (const { child } of layouts) child.kill("SIGKILL");
  }
  return report;
}
