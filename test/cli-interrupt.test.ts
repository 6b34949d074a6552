import { spawn } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { parseRepoName } from "../src/reference/index.ts";
import { MemoryRegistry } from "../src/registry/index.ts";
import { pushImage, randomImage, startTestRegistry } from "../src/testing/index.ts";
import { Store } from "../src/verbs/index.ts";
import { gantry, main, missing } from "./support/peers.ts";
import { temporary } from "./support/temporary.ts";

const reason = missing({ programs: ["script", "stty"] });

/** The lines on a terminal after an output, and the column of the cursor. */
function screen(output: string): { lines: string[]; column: number } {
  const rows: string[][] = [[]];
  let [row, column] = [0, 0];
  for (const [, up, erase, other] of output.matchAll(/\u001b\[(\d+)A|\u001b\[([JK])|\u001b\[[\d;]*m|([\s\S])/g)) {
    const line = rows[row]!;
    if (up) row = Math.max(0, row - Number(up));
    else if (erase) {
      line.length = Math.min(line.length, column);
      if (erase === "J") rows.length = row + 1;
    } else if (other === undefined) continue;
    else if (other === "\r") column = 0;
    else if (other === "\n") {
      row += 1;
      rows[row] ??= [];
    } else {
      for (let at = line.length; at < column; at += 1) line[at] = " ";
      line[column] = other;
      column += 1;
    }
  }
  return { lines: rows.map((line) => line.join("")), column };
}

/** Runs the command on a terminal of its own, and types ^C as soon as `ready` is true for its output. */
async function interrupted(
  args: readonly string[],
  ready: (output: string) => boolean,
): Promise<{ code: number | null; lines: string[]; column: number }> {
  const quoted = [process.execPath, main, ...args].map((word) => `'${word}'`).join(" ");
  const child = spawn("script", ["-qec", `stty cols 100 rows 30; exec ${quoted}`, "/dev/null"], {
    stdio: ["pipe", "pipe", "inherit"],
    env: { ...process.env, TERM: "xterm-256color" },
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  let output = "";
  let typed = false;
  child.stdout.on("data", (chunk: Buffer) => {
    output += chunk.toString();
    if (typed || !ready(output)) return;
    typed = true;
    child.stdin.write("\u0003");
  });
  const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
  expect(typed).toBe(true);
  return { code, ...screen(output) };
}

const barIsDrawn = (output: string): boolean => /\[=* *\] /.test(output);

function expectEnd({ code, lines, column }: Awaited<ReturnType<typeof interrupted>>, message: string): void {
  expect(code).toBe(130);
  expect([...lines.slice(-2), column]).toEqual([`gantry: ${message} [TRANSFER_INTERRUPTED]`, "", 0]);
  expect(lines.slice(0, -2)).toEqual([]);
}

const resumed = "ended by SIGINT; the next run resumes from here";

describe.skipIf(reason)(`ctrl-c on a terminal${reason ? ` (${reason})` : ""}`, () => {
  test.each(["pull", "cp", "unpack"])(
    "%s removes its bars and ends on a fresh line, and the next run resumes, as the message says",
    async (command) => {
      await using server = await startTestRegistry({
        faults: [{ on: { kind: "stall", after: 1 << 20 }, path: /blobs\/sha256/, method: "GET" }],
      });
      const image = randomImage({ sizes: [3 << 20, 200_000] });
      await pushImage(server.registry, "app", image, "v1");
      const [config] = image.blobs;
      const work = await temporary();
      const store = ["--store", join(work, "store")];
      const name = `${server.host}/app:v1`;
      const args = {
        pull: ["pull", ...store, name],
        cp: ["cp", name, `oci:${work}/layout:v1`],
        unpack: ["unpack", ...store, name, join(work, "rootfs")],
      }[command]!;
      // Each run reads the config for its platform, so only layers count.
      const layers = () =>
        server.requests.filter(
          ({ method, path }) =>
            method === "GET" && path.includes("/blobs/") && !path.includes(config!.descriptor.digest),
        );
      const left = `ended by SIGINT; nothing was left at ${work}/rootfs; the store keeps the downloaded bytes`;
      // The bar shows all bytes that the registry sends.
      expectEnd(
        await interrupted(args, (output) => barIsDrawn(output) && output.includes("1.0 MiB / 3.0 MiB")),
        command === "unpack" ? left : resumed,
      );
      expect(existsSync(join(work, "rootfs"))).toBe(false);
      const asked = layers().length;
      server.faults = [];
      expect((await gantry([...args, "--progress", "none"])).code).toBe(0);
      const again = layers().slice(asked);
      expect(again.map(({ headers }) => headers.range)).toEqual([expect.stringMatching(/^bytes=[1-9]\d+-$/)]);
      expect(readdirSync(work).filter((entry) => entry.startsWith("."))).toEqual([]);
    },
  );

  test("push does the same", async () => {
    const registry = new MemoryRegistry();
    const openUpload = registry.openUpload.bind(registry);
    let release = (): void => {};
    const hang = new Promise<void>((resolve) => {
      release = resolve;
    });
    registry.openUpload = async (...given) => {
      const upload = await openUpload(...given);
      const append = upload.append.bind(upload);
      upload.append = (body, options) =>
        append(
          {
            pump: (write, signal) =>
              body.pump(async (chunk) => {
                await write(chunk);
                await hang;
              }, signal),
            close: () => body.close(),
          },
          options,
        );
      return upload;
    };
    await using server = await startTestRegistry({ registry });
    const store = new Store(join(await temporary(), "store"));
    const repo = parseRepoName("docker.io/library/app");
    await pushImage(store.registry, repo, randomImage({ sizes: [8 << 20] }), "v1");
    await store.close();
    const args = ["push", "--store", store.directory, "app:v1", `${server.host}/app:v1`];
    expectEnd(await interrupted(args, barIsDrawn), resumed);
    release();
    expect((await gantry([...args, "--progress", "none"])).code).toBe(0);
  });

  test("a command without a download says only that it was ended", async () => {
    await using server = await startTestRegistry();
    await pushImage(server.registry, "app", randomImage(), "v1");
    server.faults = [{ on: { kind: "stall", after: 1 }, path: /manifests/, method: "GET" }];
    const ready = (output: string) => output.includes("manifests/v1");
    const ended = await interrupted(["manifest", "--debug", `${server.host}/app:v1`], ready);
    expect([ended.code, ended.lines.at(-2)]).toEqual([
      130,
      expect.stringMatching(/gantry: ended by SIGINT \[TRANSFER_INTERRUPTED\]$/),
    ]);
  });
});
