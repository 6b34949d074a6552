// Records docs/assets/terminal.svg, the picture in README.md: a real terminal (tmux) in which gantry inspects, pulls
// and unpacks an image of a slow registry on this machine. Run it after a change of the command's output.
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { ensureBuilt, ensureInstalled, root } from "./setup.mjs";

ensureInstalled();
ensureBuilt();
const { pushImage, seededBytes, startTestRegistry, testImage, testIndex, testLayer } = await import(
  "../dist/testing/index.js"
);

const COLUMNS = 88;
const ROWS = 21;
/** Milliseconds between two pictures, and how long each is shown. */
const STEP_MS = 400;

const slow = { on: { kind: "slow", ms: 45 }, method: "GET", path: /blobs/ };
const server = await startTestRegistry({ faults: [slow] });
const sizes = { usr: 61_000_000, opt: 34_000_000, app: 12_000_000 };
const base = Object.entries(sizes).map(([name, size], seed) => testLayer([{ name, data: seededBytes(size, seed) }]));
const images = ["amd64", "arm64"].map((architecture) => {
  const platform = { os: "linux", architecture };
  const config = { User: "1000", Env: ["PATH=/usr/bin:/bin"], Cmd: ["/app/server"] };
  return testImage([...base, testLayer([{ name: "platform", data: architecture }])], { platform, config });
});
await pushImage(server.registry, "team/app", testIndex(images), "v1");
const image = `${server.host}/team/app:v1`;

const work = mkdtempSync(join(tmpdir(), "gantry-terminal-"));
mkdirSync(join(work, "bin"));
const command = `#!/bin/sh\nexec ${process.execPath} ${join(root, "dist/cli/main.js")} "$@"\n`;
writeFileSync(join(work, "bin/gantry"), command, { mode: 0o755 });
const tmux = (...args) => execFileSync("tmux", ["-L", "gantry-terminal", ...args], { encoding: "utf8" });
const shell = `cd ${work} && PATH=${work}/bin:$PATH PS1='$ ' exec bash --norc --noprofile`;
const frames = [];

/** Types a command and captures the screen until the command has ended. */
async function run(...args) {
  tmux("send-keys", "-t", "main", ["gantry", ...args].join(" "));
  frames.push(tmux("capture-pane", "-p", "-t", "main"));
  tmux("send-keys", "-t", "main", "Enter");
  for (let shown = ""; ; ) {
    await sleep(STEP_MS);
    const screen = tmux("capture-pane", "-p", "-t", "main");
    if (screen !== shown) frames.push(screen);
    shown = screen;
    if (/\n\$ *$/.test(screen.trimEnd())) return;
  }
}

try {
  tmux("new-session", "-d", "-x", String(COLUMNS), "-y", String(ROWS), "-s", "main", shell);
  await sleep(500);
  await run("inspect", "--platform", "linux/amd64", image);
  await run("pull", "--store", "store", "--platform", "linux/amd64", image);
  await run("unpack", "--store", "store", "--platform", "linux/amd64", image, "rootfs");
} finally {
  tmux("kill-server");
  await server.close();
  rmSync(work, { recursive: true, force: true });
}

const escaped = (text) => text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
const LINE = 19;
const seconds = (frames.length * STEP_MS) / 1000 + 4;
/** Each picture is visible for its part of the time; the last one for four seconds more. */
const pictures = frames.map((frame, at) => {
  const from = (at * STEP_MS) / 10 / seconds;
  const to = at === frames.length - 1 ? 100 : ((at + 1) * STEP_MS) / 10 / seconds;
  const lines = frame.trimEnd().split("\n");
  const text = lines.map((line, row) => `<tspan x="16" y="${52 + row * LINE}">${escaped(line) || " "}</tspan>`);
  const show = `@keyframes f${at}{0%,${from.toFixed(2)}%{opacity:${at === 0 ? 1 : 0}}${from.toFixed(2)}%,${to.toFixed(2)}%{opacity:1}${to === 100 ? "" : `${to.toFixed(2)}%,100%{opacity:0}`}}`;
  return {
    style: `${show}#f${at}{animation:f${at} ${seconds}s step-end infinite}`,
    text: `<text id="f${at}" xml:space="preserve">${text.join("")}</text>`,
  };
});
const [width, height] = [COLUMNS * 8.45 + 32, ROWS * LINE + 56];
writeFileSync(
  join(root, "docs/assets/terminal.svg"),
  `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="ui-monospace,SFMono-Regular,Menlo,Consolas,monospace" font-size="14" fill="#d8dee9" role="img">
<title>gantry inspects, pulls and unpacks an image</title>
<style>text{opacity:0}#f${frames.length - 1}{opacity:1}${pictures.map(({ style }) => style).join("")}</style>
<rect width="100%" height="100%" rx="8" fill="#1b1f27"/>
<circle cx="20" cy="18" r="5" fill="#e0605a"/><circle cx="38" cy="18" r="5" fill="#e5b454"/><circle cx="56" cy="18" r="5" fill="#62b866"/>
${pictures.map(({ text }) => text).join("\n")}
</svg>
`,
);
console.log(`docs/assets/terminal.svg: ${frames.length} pictures, ${seconds} s`);
