import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { commands } from "../src/cli/commands.ts";
import { complete } from "../src/cli/completion/complete.ts";
import { main, missing, peer } from "./support/peers.ts";
import { temporary } from "./support/temporary.ts";

const hostile = [
  "$(touch PWND)",
  "x;touch PWND",
  "`touch PWND`",
  "a'b\"c",
  "back\\slash",
  "q & touch PWND",
  "p:touch PWND",
];

/** A directory with one directory of each name, a store whose images have these names, and a `gantry` that runs `show`. */
async function scene(names: readonly string[]): Promise<{ work: string; env: string[] }> {
  const work = await temporary();
  for (const name of [...names, ".bin", "store"]) mkdirSync(join(work, name));
  const manifests = names.map((name) => ({ annotations: { "org.opencontainers.image.ref.name": name } }));
  writeFileSync(join(work, "store/index.json"), JSON.stringify({ manifests }));
  // Completes as gantry does, and else writes its arguments to a file.
  const script = `#!/bin/sh
case $1 in __complete | completion) exec '${process.execPath}' '${main}' "$@" ;; esac
for word; do printf '%s\\n' "$word"; done >'${work}/arguments'\n`;
  writeFileSync(join(work, ".bin/gantry"), script, { mode: 0o755 });
  return { work, env: [`PATH=${join(work, ".bin")}:${process.env["PATH"]}`, `HOME=${work}`, "TERM=dumb"] };
}

/** Types keys into a shell of its own terminal, then Enter, and returns the arguments that gantry got. */
async function typed(shell: string, keys: string, { work, env }: { work: string; env: string[] }): Promise<string> {
  const driver = `
    zmodload zsh/zpty
    cd '${work}'
    zpty shell ${shell}
    zpty -w shell '${shell.startsWith("zsh") ? "autoload -U compinit; compinit -u -D; " : ""}source <(gantry completion ${shell.split(" ")[0]}); PS1=; echo rea""dy'
    zpty -r shell found '*ready*'
    zpty -w shell "$KEYS"
    zpty -w shell 'echo do""ne'
    zpty -r shell found '*done*'
    [[ -e arguments ]] && cat arguments`;
  return await peer("env", [...env, `KEYS=${keys}`, "timeout", "30", "zsh", "-fc", driver]);
}

test("a name with control characters is not a candidate, and neither is a name that a script would obey", async () => {
  const { work } = await scene(["two\n:files", "esc\u001b", ":files", "good"]);
  expect(await complete(["push", "--store", join(work, "store"), ""], commands)).toBe("good\n");
  expect(await complete(["ls", `oci:${work}/t`], commands)).toBe("");
});

const noShell = missing({ programs: ["bash", "zsh"] });
const because = noShell ? ` (${noShell})` : "";

test.skipIf(noShell).each(hostile)(`bash completes %j to one word, which runs nothing${because}`, async (name) => {
  const at = await scene([name]);
  const start = name.slice(0, 1).replace(/[$`]/, "\\$&");
  for (const [keys, word] of [
    [`gantry ls oci:${start}\t`, `oci:${name}`],
    [`gantry push --store store ${start}\t`, name],
    [`gantry unpack --store store x ${start}\t`, name],
  ] as const) {
    const given = (await typed("bash --norc -i", keys, at)).split("\n");
    expect([keys, given.at(-2)?.replace(/\/$/, "")]).toEqual([keys, word]);
  }
  expect([existsSync(join(at.work, "PWND")), readdirSync(at.work)]).toEqual([false, expect.arrayContaining([name])]);
});

test.skipIf(noShell)(`bash completes a word that already has escapes${because}`, async () => {
  const at = await scene(["a b", "a$c"]);
  for (const [keys, word] of [
    ["gantry ls oci:a\\ \t", "oci:a b"],
    ["gantry ls oci:a\\$\t", "oci:a$c"],
    ["gantry unpack --store store x a\\ \t", "a b/"],
  ] as const)
    expect([keys, (await typed("bash --norc -i", keys, at)).split("\n").at(-2)]).toEqual([keys, word]);
});

test.skipIf(noShell)(`zsh keeps a backslash and a colon, and runs nothing${because}`, async () => {
  for (const name of ["back\\slash", "a\\:b", "$(touch PWND)"]) {
    const at = await scene([name]);
    const keys = `gantry ls oci:${name.slice(0, 1).replace("$", "\\$")}\t`;
    const given = await typed("zsh -f -i", keys, at);
    expect([given.split("\n").at(-2), existsSync(join(at.work, "PWND"))]).toEqual([`oci:${name}`, false]);
  }
});
