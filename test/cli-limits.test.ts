import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { commands } from "../src/cli/commands.ts";
import { allCommands } from "../src/cli/resolve.ts";
import { pushImage, startTestRegistry, testImage, testIndex, testLayer } from "../src/testing/index.ts";
import { pull, Store } from "../src/verbs/index.ts";
import { gantry } from "./support/peers.ts";
import { temporary } from "./support/temporary.ts";

/** These read only the configuration of this machine. No flag changes the limit for the size of its files. */
const unlimited = ["logout", "explain", "version", "help", "completion"];

describe("--limit", () => {
  test("is a flag of every command that can exceed a limit", async () => {
    const without: string[] = [];
    for (const name of allCommands(commands).map(({ path }) => path.join(" "))) {
      const { code, stdout } = await gantry([...name.split(" "), "--help"]);
      expect([name, code]).toEqual([name, 0]);
      if (!stdout.includes("--limit")) without.push(name);
    }
    expect(without.sort()).toEqual([...unlimited].sort());
  });

  test("is named by the error, and lets the command succeed", async () => {
    await using server = await startTestRegistry();
    const image = testIndex([testImage([testLayer([{ name: "file", data: "x".repeat(5000) }])])]);
    await pushImage(server.registry, "app", image, "v1");
    const name = `${server.host}/app:v1`;
    const work = await temporary();
    const directory = join(work, "store");
    const store = new Store(directory);
    await pull(name, { store, platforms: "all" });
    await store.close();
    const here = ["--store", directory];
    const platform = ["--platform", "linux/amd64"];
    for (const [limit, ...args] of [
      ["metadataBytes", "pull", ...here, name],
      ["metadataBytes", "push", ...here, name, `${server.host}/copy:v1`],
      ["metadataBytes", "cp", name, `oci:${work}/layout:v1`],
      ["entries", "unpack", ...here, ...platform, name, join(work, "rootfs")],
      ["metadataBytes", "inspect", name],
      ["metadataBytes", "digest", ...platform, name],
      ["metadataBytes", "manifest", name],
      ["metadataBytes", "config", ...platform, name],
      ["metadataBytes", "ls", `${server.host}/app`],
      ["metadataBytes", "catalog", server.host],
      ["metadataBytes", "referrers", name],
      ["metadataBytes", "tag", name, "v2"],
      ["layoutIndexBytes", "catalog", `oci:${directory}`],
    ] as const) {
      const refused = await gantry([args[0]!, "--limit", `${limit}=0`, ...args.slice(1)]);
      expect([args, refused.code, refused.stderr]).toEqual([args, 6, expect.stringMatching(/LIMIT_EXCEEDED/)]);
      if (limit !== "layoutIndexBytes") expect(refused.stderr).toContain(`--limit ${limit}=N`);
      const allowed = await gantry([args[0]!, "--limit", `${limit}=1MiB`, ...args.slice(1)]);
      expect([args, allowed.code]).toEqual([args, 0]);
    }
  });
});
