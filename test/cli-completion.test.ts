import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { commands } from "../src/cli/commands.ts";
import { complete } from "../src/cli/completion/complete.ts";
import { parseRepoName, parseTag } from "../src/reference/index.ts";
import { pushImage, randomImage } from "../src/testing/index.ts";
import { Store } from "../src/verbs/index.ts";
import { gantry, main, missing, peer } from "./support/peers.ts";
import { temporary } from "./support/temporary.ts";

/** The candidates for the last word. */
async function words(...given: string[]): Promise<string[]> {
  const answer = await complete(given, commands);
  return answer.split("\n").flatMap((line) => line.split("\t")[0] || []);
}

/** A directory with two directories and a file, a store with one image, and `gantry` on the PATH of a shell. */
async function scene(): Promise<{ work: string; path: string; store: string }> {
  const work = await temporary();
  for (const name of ["images", "with space"]) mkdirSync(join(work, name));
  writeFileSync(join(work, "ifile"), "");
  mkdirSync(join(work, "bin"));
  writeFileSync(join(work, "bin/gantry"), `#!/bin/sh\nexec '${process.execPath}' '${main}' "$@"\n`, { mode: 0o755 });
  const store = new Store(join(work, "images/store"));
  await pushImage(store.registry, parseRepoName("docker.io/library/app"), randomImage(), parseTag("v1"));
  await store.close();
  return { work, path: `${join(work, "bin")}:${process.env["PATH"]}`, store: store.directory };
}

describe("completion", () => {
  test("completes commands, members of a family, flags and their values", async () => {
    expect(await words("")).toEqual(Object.keys(commands));
    expect(await words("pu")).toEqual(["pull", "push"]);
    expect(await words("--v")).toEqual(["--version"]);
    expect(await words("images", "")).toEqual(["ls", "label", "rm", "gc", "fsck"]);
    expect(await words("images", "--f")).toEqual(["--filter"]);
    expect(await words("help", "images", "f")).toEqual(["fsck"]);
    expect(await words("pull", "--p")).toEqual(["--parallel", "--platform", "--progress"].sort(byHelp));
    expect(await words("unpack", "--policy", "")).toEqual(["IfNotPresent", "Always", "Never"]);
    expect(await words("unpack", "--policy=A")).toEqual(["--policy=Always"]);
    expect(await words("pull", "--platform", "linux/arm64")).toEqual(["linux/arm64"]);
    expect(await words("pull", "--limit", "unp")).toEqual(["unpackedBytes="]);
    expect(await words("completion", "")).toEqual(["bash", "zsh", "fish"]);
    expect(await words("digest", "one", "")).toEqual([]);
    expect(await words("nothing", "")).toEqual([]);
    expect(await words("pull", "--", "--p")).toEqual([]);
  });

  test("leaves paths to the shell", async () => {
    for (const given of [
      ["pull", "--store", ""],
      ["pull", "--store=x"],
      ["unpack", "alpine", "x"],
    ])
      expect([given, await complete(given, commands)]).toEqual([given, ":directories\n"]);
    expect(await complete(["pull", "--ca-file", "x"], commands)).toBe(":files\n");
  });

  test("completes layouts on disk and names of the store", async () => {
    const { work, store } = await scene();
    expect(await words("cp", "o")).toEqual(["oci:"]);
    expect(await words("cp", `oci:${work}/im`)).toEqual([`oci:${work}/images`]);
    expect(await words("push", "--store", store, "")).toEqual(["docker.io/library/app:v1"]);
    expect(await words("unpack", `--store=${store}`, "store:d")).toEqual(["store:docker.io/library/app:v1"]);
    expect(await words("images", "rm", "--store", join(work, "none"), "")).toEqual([]);
  });
});

const order = ["--platform", "--parallel", "--progress"];
const byHelp = (a: string, b: string): number => order.indexOf(a) - order.indexOf(b);

/** The completions that bash finds for the last word of a line. */
async function bash(line: string, { work, path }: { work: string; path: string }): Promise<string[]> {
  const script = `
    cd '${work}'; PATH='${path}'
    source <(gantry completion bash)
    COMP_LINE=$1 COMP_POINT=\${#1}
    _gantry
    printf '%s\\n' "\${COMPREPLY[@]}"`;
  return (await peer("bash", ["--norc", "-c", script, "bash", line])).split("\n").filter(Boolean);
}

const noBash = missing({ programs: ["bash"] });
test.skipIf(noBash)(`bash completes with the script${noBash ? ` (${noBash})` : ""}`, async () => {
  const at = await scene();
  const found = (line: string) => bash(line, at);
  expect(await found("gantry pu")).toEqual(["pull", "push"]);
  expect(await found("gantry images ")).toEqual(["ls", "label", "rm", "gc", "fsck"]);
  expect(await found("gantry pull --prog")).toEqual(["--progress"]);
  expect(await found("gantry pull --progress pl")).toEqual(["plain"]);
  // bash replaces only the part after = or :.
  expect(await found("gantry pull --progress=pl")).toEqual(["plain"]);
  expect(await found("gantry cp oci:im")).toEqual(["images"]);
  expect(await found("gantry unpack --store images/store store:docker.io/library/app:")).toEqual(["v1"]);
  expect(await found("gantry unpack --store images/store x w")).toEqual(["with space"]);
  expect((await found("gantry pull --ca-file i")).sort()).toEqual(["ifile", "images"]);
  expect(await found("gantry pull --store=i")).toEqual(["images"]);
});

const noFish = missing({ programs: ["fish"] });
test.skipIf(noFish)(`fish completes with the script${noFish ? ` (${noFish})` : ""}`, async () => {
  const { work, path } = await scene();
  const found = async (line: string): Promise<string[]> => {
    const script = `cd '${work}'; gantry completion fish | source; complete -C '${line}'`;
    const answer = await peer("env", [`PATH=${path}`, `HOME=${work}`, "fish", "--no-config", "-c", script]);
    return answer.split("\n").flatMap((each) => each.split("\t")[0] || []);
  };
  expect(await found("gantry pu")).toEqual(["pull", "push"]);
  expect(await found("gantry pull --progress=pl")).toEqual(["--progress=plain"]);
  expect(await found("gantry cp oci:im")).toEqual(["oci:images"]);
  expect(await found("gantry pull --store=i")).toEqual(["--store=images/"]);
  expect((await found("gantry pull --ca-file i")).sort()).toEqual(["ifile", "images/"]);
});

const noZsh = missing({ programs: ["zsh"] });
test.skipIf(noZsh)(`zsh loads the script${noZsh ? ` (${noZsh})` : ""}`, async () => {
  const { work, path } = await scene();
  const script = "autoload -U compinit; compinit -u -D; source <(gantry completion zsh); print $_comps[gantry]";
  expect(await peer("env", [`PATH=${path}`, `HOME=${work}`, "zsh", "-f", "-c", script])).toBe("_gantry\n");
});

test("another shell is refused, and the error names the supported shells", async () => {
  const { code, stderr } = await gantry(["completion", "tcsh"]);
  expect([code, stderr]).toEqual([2, expect.stringMatching(/gantry completion: SHELL: .*bash, zsh and fish/)]);
  expect(readFileSync(main, "utf8")).not.toContain("completion");
});
