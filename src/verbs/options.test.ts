import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { gantry } from "../../test/support/peers.ts";
import { temporary } from "../../test/support/temporary.ts";
import { directEndpoint, type RouteSource } from "../config/routes.ts";
import { pushImage, startTestRegistry, testImage, testLayer } from "../testing/index.ts";
import { blob, catalog, copy, inspect, pull, push, resolve, Store, unpack } from "./index.ts";

const image = testImage([testLayer([{ name: "file", data: "x" }])]);

describe("options of verbs", () => {
  test("the namespace of the store is not sent to a registry", async () => {
    await using server = await startTestRegistry();
    await pushImage(server.registry, "app", image, "v1");
    const name = `${server.host}/app:v1`;
    const directory = join(await temporary(), "store");
    const store = new Store(directory, { namespace: "team-a" });
    await resolve(name, { store });
    await pull(name, { store });
    await copy(name, `${server.host}/copy:v1`, { store });
    await store.close();
    const flags = ["--store", directory, "--namespace", "team-a"];
    for (const args of [
      ["digest", ...flags, name],
      ["inspect", ...flags, name],
      ["cp", ...flags, name, `${server.host}/other:v1`],
      ["push", ...flags, name, `${server.host}/more:v1`],
    ])
      expect([args, (await gantry(args)).code]).toEqual([args, 0]);
    expect(server.requests.length).toBeGreaterThan(20);
    expect(server.requests.filter(({ path }) => path.includes("ns="))).toEqual([]);
    await resolve(name, { registry: { namespace: "docker.io" } });
    expect(server.requests.at(-1)!.path).toContain("ns=docker.io");
  });

  test("every verb takes the store as a directory or open; an open store stays open", async () => {
    await using server = await startTestRegistry();
    await pushImage(server.registry, "app", image, "v1");
    const name = `${server.host}/app:v1`;
    const work = await temporary();
    const directory = join(work, "store");
    const open = new Store(directory);
    let closed = 0;
    const close = open.close.bind(open);
    open.close = async () => {
      closed += 1;
      await close();
    };
    for (const [at, store] of [directory, open].entries()) {
      await pull(name, { store });
      expect(await resolve(`store:${name}`, { store })).toMatchObject({ digest: image.descriptor.digest });
      await inspect(`store:${name}`, { store });
      await copy(`store:${name}`, `store:copy:v${at}`, { store });
      await push(name, `${server.host}/pushed:v${at}`, { store });
      await unpack(name, join(work, `rootfs-${at}`), { store, policy: "Never" });
      await blob(`store:${name}@${image.blobs[0]!.descriptor.digest}`.replace(":v1@", "@"), () => {}, { store });
      const names: string[] = [];
      for await (const repository of catalog("store:", { store })) names.push(repository);
      expect(names).toHaveLength(2);
      if (store === directory)
        expect(existsSync(join(directory, "tmp")) && readdirSync(join(directory, "tmp"))).toBe(false);
    }
    expect(closed).toBe(0);
    expect((await open.images.list()).map((each) => each.name)).toContain("docker.io/library/copy:v1");
    await open.close();
    expect(closed).toBe(1);
  });

  test("unpack and pull use the routes to reach a registry", async () => {
    await using server = await startTestRegistry();
    await pushImage(server.registry, "app", image, "v1");
    const routes: RouteSource = {
      routes: async (host, repo) => ({
        endpoints: [{ ...directEndpoint(host, repo), url: new URL(`http://${server.host}/v2/`) }],
      }),
    };
    const work = await temporary();
    const options = { store: join(work, "store"), registry: { routes } };
    await unpack("registry.example/app:v1", join(work, "rootfs"), options);
    expect(readFileSync(join(work, "rootfs/file"), "utf8")).toBe("x");
    expect((await pull("registry.example/app:v1", options)).blobs).toMatchObject({ moved: 0, existing: 2 });
  });

  test("copy uses the options of each side", async () => {
    await using server = await startTestRegistry();
    await pushImage(server.registry, "app", image, "v1");
    const seen: string[] = [];
    const side = (label: string) => ({ registry: { debug: (line: string) => void seen.push(`${label} ${line}`) } });
    await copy(`${server.host}/app:v1`, `oci:${await temporary()}/layout:v1`, {
      ...side("both"),
      destination: side("destination"),
    });
    expect(seen.length).toBeGreaterThan(0);
    expect(seen.filter((line) => !line.startsWith("both "))).toEqual([]);
    seen.length = 0;
    await copy(`${server.host}/app:v1`, `${server.host}/copy:v1`, {
      ...side("both"),
      source: side("source"),
      destination: side("destination"),
    });
    expect([...new Set(seen.map((line) => line.split(" ")[0]))].sort()).toEqual(["destination", "source"]);
  });
});
