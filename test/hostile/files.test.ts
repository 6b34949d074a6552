import { execFileSync } from "node:child_process";
import { mkdirSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { cp, mkdir, utimes, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { parseRepoName, parseTag } from "../../src/reference/index.ts";
import { LayoutRegistry } from "../../src/registry/index.ts";
import { digestOf, hexOf } from "../../src/spec/digest.ts";
import { pushImage, seededBytes, startTestRegistry, testImage, testLayer } from "../../src/testing/index.ts";
import { gantry } from "../support/peers.ts";
import { temporary } from "../support/temporary.ts";

const HUGE = 400 << 20;
const isRoot = process.getuid?.() === 0;

/** What may stand where a file should be. A link is as bad as what it leads to. */
const impostors: Readonly<Record<string, (path: string) => void>> = {
  fifo: (path) => void execFileSync("mkfifo", [path]),
  directory: (path) => mkdirSync(path),
  "link to /dev/zero": (path) => symlinkSync("/dev/zero", path),
  "link to a fifo": (path) => {
    execFileSync("mkfifo", [`${path}.fifo`]);
    symlinkSync(`${path}.fifo`, path);
  },
  "huge file": (path) => {
    writeFileSync(path, "");
    truncateSync(path, HUGE);
  },
  ...(isRoot && { device: (path: string) => void execFileSync("mknod", [path, "c", "1", "5"]) }),
};

interface Place {
  readonly what: string;
  readonly file: string;
  readonly args: readonly string[];
  /** What is wrong is said with this code, or the file is only a saving and the command goes on without it. */
  readonly says: RegExp | "goes on";
  /** What is no impostor here. */
  readonly but?: readonly string[];
  /** Last changed so long ago that its owner would be taken for dead. */
  readonly old?: boolean;
}

/** Tells at the end how many bytes the process read from files, whatever they were. */
const countReads = `data:text/javascript,${encodeURIComponent(`
  import { readFileSync } from "node:fs";
  process.on("exit", () => {
    const [, read] = /rchar: (\\d+)/.exec(readFileSync("/proc/self/io", "utf8")) ?? [];
    process._rawDebug("READ " + read);
  });`)}`;

describe.skipIf(process.platform !== "linux")("hostile files", () => {
  test("C1 what is no regular file, or huge, in the place of a file is refused at once or passed over, and never read", {
    timeout: 240_000,
  }, async () => {
    const work = await temporary();
    const at = (...path: string[]): string => join(work, ...path);
    // A layer that is large enough for its parts to be kept.
    const image = testImage([testLayer([{ name: "f", data: seededBytes(3 << 20) }], { gzip: false })]);
    const layer = image.blobs.at(-1)!.descriptor.digest;
    await using server = await startTestRegistry();
    await pushImage(server.registry, "app", image, "v1");
    const name = `${server.host}/app:v1`;
    await using asking = await startTestRegistry({ faults: [{ on: { kind: "status", status: 401 }, path: /tags/ }] });
    const layout = new LayoutRegistry(at("layout"), { create: true });
    await pushImage(layout, layout.defaultRepository, image, "v1");
    await layout.close();
    expect((await gantry(["pull", "--progress", "none", "--store", at("store"), name])).code).toBe(0);
    for (const host of ["tls.example", "mtls.example"]) {
      await mkdir(at("hosts", host), { recursive: true });
      const client = host === "mtls.example" ? 'client = "me.pem"' : "";
      await writeFile(at("hosts", host, "hosts.toml"), `server = "https://127.0.0.1:1"\n${client}`);
    }
    const upload = `http://${server.host} copy ${layer}`;
    const invalid = /\[CONFIG_INVALID\]$/;
    const refused = /\[(?:NOT_REGULAR_FILE|LIMIT_EXCEEDED)\]$/;
    const tls = ["digest", "tls.example/app:v1"];
    const places: readonly Place[] = [
      { what: "Docker's credentials", file: "docker/config.json", args: ["ls", `${asking.host}/app`], says: invalid },
      {
        what: "podman's credentials",
        file: "xdg/containers/auth.json",
        args: ["ls", `${asking.host}/app`],
        says: invalid,
      },
      { what: "logging out", file: "docker/config.json", args: ["logout", "a.example"], says: invalid },
      {
        what: "the lock of credentials",
        file: "file/auth.json.lock",
        args: ["logout", "--auth-file", "WORK/file/auth.json", "a.example"],
        says: /\[NOT_REGULAR_FILE\]$/,
        but: ["huge file"],
        old: true,
      },
      {
        what: "containerd's hosts",
        file: `hosts/${server.host}/hosts.toml`,
        args: ["digest", name],
        says: invalid,
      },
      {
        what: "podman's registries",
        file: "xdg/containers/registries.conf",
        args: ["digest", name],
        says: invalid,
      },
      { what: "--ca-file", file: "ca.pem", args: [...tls, "--ca-file", "FILE"], says: invalid },
      { what: "a CA of --cert-dir", file: "certs/ca.crt", args: [...tls, "--cert-dir", "WORK/certs"], says: invalid },
      {
        what: "a client certificate",
        file: "hosts/mtls.example/me.pem",
        args: ["digest", "mtls.example/app:v1"],
        says: invalid,
      },
      { what: "a store's version", file: "store/version.json", args: ["images", "ls"], says: refused },
      { what: "a store's version, written to", file: "store/version.json", args: ["images", "gc"], says: refused },
      { what: "a lease", file: "store/leases/x.jsonl", args: ["images", "gc"], says: refused },
      {
        what: "a store's index",
        file: "store/index.json",
        args: ["images", "fsck"],
        says: refused,
        but: ["huge file"],
      },
      {
        what: "a store's index, of which only the beginning is read",
        file: "store/index.json",
        args: ["images", "fsck"],
        says: "goes on",
        but: Object.keys(impostors).filter((kind) => kind !== "huge file"),
      },
      { what: "what a store keeps beside", file: "store/cache/presence.json", args: ["images", "ls"], says: "goes on" },
      { what: "a layout's index", file: "layout/index.json", args: ["digest", "oci:WORK/layout:v1"], says: refused },
      { what: "a layout's mark", file: "layout/oci-layout", args: ["digest", "oci:WORK/layout:v1"], says: refused },
      {
        what: "a layout's lock",
        file: "layout/index.json.lock",
        args: ["tag", "oci:WORK/layout:v1", "v2"],
        says: /\[NOT_REGULAR_FILE\]$/,
        but: ["huge file"],
      },
      {
        what: "a part of a blob",
        file: `empty/tmp/partial/${layer.replace(":", "-")}`,
        args: ["pull", "--progress", "none", name, "--store", "WORK/empty"],
        says: "goes on",
      },
      {
        what: "an upload that broke off",
        file: `state/gantry/uploads/${hexOf(digestOf(upload))}.json`,
        args: ["cp", "--progress", "none", "oci:WORK/layout:v1", `${server.host}/copy:v1`],
        says: "goes on",
      },
    ];
    const fresh = at("fresh");
    for (const part of ["layout", "store", "hosts"]) await cp(at(part), join(fresh, part), { recursive: true });
    const runs = places.flatMap((place) =>
      Object.keys(impostors)
        .filter((kind) => !place.but?.includes(kind))
        .map((kind) => ({ place, kind })),
    );
    const run = async ({ place, kind }: (typeof runs)[number]): Promise<void> => {
      const own = await temporary();
      await cp(fresh, own, { recursive: true });
      await mkdir(join(own, "file"), { recursive: true });
      await writeFile(join(own, "file/auth.json"), '{"auths":{"a.example":{"auth":"YTpi"}}}');
      const file = join(own, place.file);
      await mkdir(dirname(file), { recursive: true });
      rmSync(file, { force: true });
      impostors[kind]!(file);
      if (place.old && !kind.startsWith("link")) await utimes(file, 1, 1);
      const args = place.args.map((arg) => arg.replace("WORK", own).replace("FILE", file));
      const { code, stderr } = await gantry(args, {
        timeout: 30_000,
        env: {
          DOCKER_CONFIG: join(own, "docker"),
          XDG_CONFIG_HOME: join(own, "xdg"),
          XDG_RUNTIME_DIR: own,
          XDG_STATE_HOME: join(own, "state"),
          GANTRY_HOSTS_DIR: join(own, "hosts"),
          GANTRY_STORE: join(own, "store"),
          NODE_OPTIONS: `--import=${countReads}`,
        },
      });
      const [, said = "", read] = /^(.*?)READ (\d+)\n$/s.exec(stderr) ?? [];
      const about = `${place.what}, a ${kind}: ${code} ${stderr}`;
      // It came to its end by itself, and did not read what it should not.
      expect(Number(read), about).toBeLessThan(HUGE / 4);
      if (place.says === "goes on") expect(code, about).toBe(0);
      else {
        expect(said.trim(), about).toMatch(place.says);
        expect(said, about).toContain(file);
        expect(said.trim().split("\n"), about).toHaveLength(1);
        expect(code, about).not.toBe(0);
      }
    };
    const next = runs.values();
    const worker = async (): Promise<void> => {
      for (const each of next) await run(each);
    };
    await Promise.all([worker(), worker()]);
    // All of it was asked for.
    expect(runs.length).toBeGreaterThan(80);
    const repo = parseRepoName("copy");
    expect((await server.registry.getManifest(repo, parseTag("v1"))).descriptor.digest).toBe(image.descriptor.digest);
  });
});
