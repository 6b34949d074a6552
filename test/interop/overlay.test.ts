import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { LayoutRegistry } from "../../src/registry/index.ts";
import { native } from "../../src/sys/native.ts";
import type { TarEntry } from "../../src/tar/index.ts";
import { pushImage, seededBytes, testImage, testLayer } from "../../src/testing/index.ts";
import { Builder } from "../support/builder.ts";
import { Draw } from "../support/draw.ts";
import { seeded } from "../support/fault-proxy.ts";
import { metadataOf, setMetadata } from "../support/metadata.ts";
import { type MountNamespace, mountNamespace, quoted } from "../support/mounts.ts";
import { gantry, missing } from "../support/peers.ts";
import { temporary } from "../support/temporary.ts";
import { compareTrees, type Difference, readTree, type TreeNode } from "../support/tree.ts";
import { unpackLayers } from "../support/unpack.ts";
import { type Figures, UpperLayer } from "../support/upper.ts";

const reason = missing({ programs: ["getfattr", "unshare", "mount"], root: true });
const scale = Number(process.env["GANTRY_TEST_SCALE"] ?? 0.1);
const given = process.env["GANTRY_TEST_SEED"];
const STACKS = given === undefined ? Math.max(40, Math.round(400 * scale)) : 1;
const first = Number(given ?? Date.now() % 1_000_000);
/** So many stacks have one that is unpacked by the command, in workers. */
const COMMAND_EVERY = 8;
/** More than the size below which no workers are started. */
const large: Buffer = reason ? Buffer.alloc(0) : seededBytes((4 << 20) + 1);

/** What a run must have met, or it proves less than it says. */
const mustOccur = [
  "undeclared: as below",
  "undeclared: new",
  "a whiteout before content",
  "a whiteout after content",
  "a whiteout before content of a new undeclared directory",
  "a whiteout after content of a new undeclared directory",
  "an opaque mark before content",
  "an opaque mark after content",
  "a whiteout below what is gone",
  "a replaced directory by mark",
  "a replaced directory by whiteout",
  "a replaced directory by each",
  "a directory where another type was",
  "a file where a directory was",
  "a file where a symlink was",
  "a symlink where a directory was",
  "a symlink where a file was",
  "a hard link within the layer",
  "a hard link to a lower file",
] as const;

interface Stack {
  /** Lowest first. */
  readonly layers: readonly (readonly TarEntry[])[];
  /** What the kernel mounts of the first layer, of the first two, and so on. */
  readonly trees: readonly ReadonlyMap<string, TreeNode>[];
}

/**
 * Builds 3 to 8 layers on one another as builders that use overlayfs do: each is what a random build wrote to the upper
 * directory of a mounted overlay. The last tree is read from all of them, mounted read-only, those before it as the
 * build left them.
 *
 * Without an index (`index=off`), overlayfs separates hard links of a lower layer when one of them is changed; the layer
 * holds the changed one as a file of its own, so that both readings agree and nothing needs to be left out.
 */
async function buildStack(
  namespace: MountNamespace,
  work: string,
  draw: Draw,
  options: { readonly figures: Figures; readonly large: boolean },
): Promise<Stack> {
  const count = draw.between(3, 8);
  const largeAt = options.large ? draw.below(count) : undefined;
  const layers: TarEntry[][] = [];
  const trees: Map<string, TreeNode>[] = [];
  const inside = `${work}/m`;
  const root = namespace.at(inside);
  const run = (script: string): Promise<void> => namespace.run(`cd ${quoted(work)}; ${script}`);
  const mount = (dirs: string): Promise<void> =>
    run(`mount -t overlay -o redirect_dir=off,metacopy=off,index=off,xino=off,${dirs} overlay m`);
  const unmount = (): Promise<void> => run("umount m");
  await run(`mount -t tmpfs -o mode=755 tmpfs .; cd ${quoted(work)}; mkdir m empty; touch -d @0 empty`);
  try {
    let below = "empty";
    let lower = readMounted(namespace.at(`${work}/empty`));
    const userAttributes = keepsUserAttributes(namespace.at(inside));
    for (let at = 0; at < count; at += 1) {
      const upper = namespace.at(`${work}/u${at}`);
      await run(`mkdir u${at} w${at}`);
      // overlayfs takes the root's metadata from the upper directory alone; a snapshotter gives it that of the lower one.
      setMetadata(upper, metadataOf(lower.get(".")!));
      await mount(`lowerdir=${below},upperdir=u${at},workdir=w${at}`);
      const builder = new Builder({ root, inside, run, draw, lower, userAttributes });
      for (let changes = draw.between(at === 0 ? 30 : 1, at === 0 ? 70 : 50); changes > 0; changes -= 1)
        await builder.change();
      if (at === largeAt) builder.writeLarge(large);
      builder.settle();
      trees.push(readMounted(root));
      await unmount();
      layers.push(
        new UpperLayer({ root: upper, upper: readTree(upper), lower, draw, figures: options.figures }).entries(),
      );
      lower = trees[at]!;
      below = `u${at}:${below}`;
    }
    await mount(`ro,lowerdir=${below}`);
    trees[count - 1] = readMounted(root);
    await unmount();
    return { layers, trees };
  } finally {
    await namespace.run(`umount --recursive --lazy ${quoted(work)}`);
  }
}

/** A tree of an overlay, which goes on counting links that a layer above has hidden: one path is no group. */
function readMounted(root: string): Map<string, TreeNode> {
  const tree = readTree(root);
  for (const [path, node] of tree) if (node.links?.endsWith(" x1")) tree.set(path, { ...node, links: undefined });
  return tree;
}

function keepsUserAttributes(directory: string): boolean {
  const system = native();
  try {
    system.lsetxattr(directory, "user.probe", Buffer.from("1"));
    system.lremovexattr(directory, "user.probe");
    return true;
  } catch {
    return false;
  }
}

/** By the command from a layout, large enough for workers. */
async function unpackByCommand(work: string, layers: readonly (readonly TarEntry[])[]): Promise<string> {
  const layout = new LayoutRegistry(join(work, "layout"), { create: true });
  const image = testImage(layers.map((layer) => testLayer(layer, { gzip: false })));
  await pushImage(layout, layout.defaultRepository, image, "latest");
  await layout.close();
  const rootfs = join(work, "by-command");
  const ran = await gantry(["unpack", "--progress", "none", `oci:${join(work, "layout")}:latest`, rootfs]);
  expect(ran).toMatchObject({ code: 0, stderr: "" });
  return rootfs;
}

/** Compares the images of the first layer, of the first two, and so on; says what is wrong with the first that differs. */
async function faultOf(work: string, { layers, trees }: Stack, byCommand: boolean): Promise<string | undefined> {
  for (const [at, tree] of trees.entries()) {
    const some = layers.slice(0, at + 1);
    const { rootfs } = await unpackLayers(join(work, `${at}`), some);
    const differences = compareTrees(readTree(rootfs), tree);
    if (differences.length > 0) return explain(some, differences);
  }
  if (!byCommand) return undefined;
  const differences = compareTrees(readTree(await unpackByCommand(work, layers)), trees.at(-1)!);
  return differences.length > 0 ? explain(layers, differences) : undefined;
}

/** The first differences, and the entries of the layers that have to do with their paths. */
function explain(layers: Stack["layers"], differences: readonly Difference[]): string {
  const paths = differences.slice(0, 5).map(({ path }) => `/${path === "." ? "" : `${path}/`}`);
  const lines = layers.flatMap((layer, at) =>
    layer.map(({ name, type, linkname }) => {
      const bytes = (name as Buffer).toString("latin1");
      const path = `/${bytes.replace(/^\.\/|\/$/g, "").replace(/(^|\/)\.wh\.(?:\.wh\.\.opq$)?/, "$1")}/`.replace(
        "//",
        "/",
      );
      if (!paths.some((other) => other.startsWith(path) || path.startsWith(other))) return undefined;
      return `  layer ${at}: ${type ?? "whiteout"} ${JSON.stringify(bytes)} ${linkname ?? ""}`;
    }),
  );
  const shown = differences.slice(0, 12).map((difference) => `  ${JSON.stringify(difference)}`);
  return [`the first ${layers.length} layers, ${differences.length} differences`, ...shown, ...lines]
    .filter((line) => line !== undefined)
    .join("\n")
    .replace(/-{20,}/g, "---");
}

test.skipIf(reason)(
  `${STACKS} random stacks of layers give the tree that overlayfs mounts, from seed ${first}${reason ? ` (${reason})` : ""}`,
  { timeout: 1_800_000 },
  async () => {
    const work = await temporary();
    const namespace = await mountNamespace();
    const figures: Figures = {};
    const failures: string[] = [];
    for (let seed = first; seed < first + STACKS; seed += 1) {
      const at = join(work, String(seed));
      await mkdir(join(at, "overlay"), { recursive: true });
      try {
        const byCommand = seed % COMMAND_EVERY === 0;
        const options = { figures, large: byCommand };
        const stack = await buildStack(namespace, join(at, "overlay"), new Draw(seeded(seed)), options);
        const fault = await faultOf(at, stack, byCommand);
        if (fault) failures.push(`seed ${seed}: ${fault}`);
      } catch (error) {
        failures.push(`seed ${seed}: ${error}`);
      } finally {
        // Not by Node, which cannot name what is no UTF-8.
        await namespace.run(`rm -rf ${quoted(at)}`);
      }
    }
    if (process.env["GANTRY_TEST_FIGURES"]) console.log(JSON.stringify(figures, undefined, 1));
    expect(failures.join("\n\n"), "repeat one with GANTRY_TEST_SEED").toBe("");
    if (given === undefined) for (const what of mustOccur) expect(figures[what], what).toBeGreaterThan(0);
  },
);
