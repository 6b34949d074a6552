import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parseRepoName, parseTag } from "../src/reference/index.ts";
import { RemoteRegistry } from "../src/registry/index.ts";
import { mediaTypes } from "../src/spec/index.ts";
import { pushImage, randomImage } from "../src/testing/index.ts";
import { main, skopeo } from "./support/peers.ts";
import { temporary } from "./support/temporary.ts";

const scale = Number(process.env["GANTRY_TEST_SCALE"] ?? 1);
const KILLS = Math.max(5, Math.round(50 * scale));
const repo = parseRepoName("app");

async function serve(args: readonly string[]): Promise<{ child: ChildProcess; host: string }> {
  const command = [main, "serve", ...args, "--listen", "127.0.0.1:0", "--allow-delete", "--json"];
  const child = spawn(process.execPath, command, { stdio: ["ignore", "pipe", "inherit"] });
  const [line] = (await once(child.stdout!, "data")) as [Buffer];
  return { child, host: JSON.parse(String(line)).host };
}

test.each(["layout", "store"])(
  `a %s whose server is killed ${KILLS} times keeps all acknowledged pushes`,
  async (kind) => {
    const work = await temporary();
    const args = kind === "layout" ? [`oci:${work}/layout`] : ["store:", "--store", join(work, "store")];
    const image = randomImage();
    const document = JSON.parse(image.documents[0]!.bytes.toString());
    const kept = new Map<string, string>();
    let at = 0;
    for (let kills = 0; kills < KILLS; kills += 1) {
      const { child, host } = await serve(args);
      const exited = once(child, "exit");
      const registry = new RemoteRegistry(host, { attempts: 1, backoff: 1 });
      for (const [tag, digest] of kept) {
        expect((await registry.getManifest(repo, parseTag(tag))).descriptor.digest).toBe(digest);
      }
      if (kills === 0) await pushImage(registry, repo, image);
      // Killed when so many were acknowledged, while others are on their way.
      const until = kept.size + 3 + (kills % 7);
      const push = async (): Promise<void> => {
        for (;;) {
          at += 1;
          const tag = `v${at}`;
          const bytes = Buffer.from(JSON.stringify({ ...document, annotations: { tag } }));
          const { digest } = await registry.pushManifest(repo, bytes, mediaTypes.manifest, { tags: [parseTag(tag)] });
          kept.set(tag, digest);
          if (kept.size >= until) child.kill("SIGKILL");
        }
      };
      await Promise.allSettled([push(), push(), push()]);
      await exited;
      await registry.close();
    }
    expect(kept.size).toBeGreaterThan(3 * KILLS);
    // One that ends as it should shows other tools everything.
    const { child } = await serve(args);
    const exited = once(child, "exit");
    child.kill("SIGTERM");
    expect((await exited)[0]).toBe(143);
    if (kind === "store") return;
    for (const tag of [...kept.keys()].slice(-3)) {
      const found = await skopeo("inspect", "--raw", `oci:${work}/layout:app:${tag}`);
      expect(JSON.parse(found).annotations.tag).toBe(tag);
    }
  },
  600_000,
);
