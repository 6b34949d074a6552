import { readdirSync } from "node:fs";
import { defineConfig, type UserConfig } from "tsdown";

// One entry per public room, the command, and the worker thread's script.
const rooms = readdirSync("src", { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && readdirSync(`src/${entry.name}`).includes("index.ts"))
  .map((entry) => entry.name);

const config: UserConfig = defineConfig({
  entry: {
    ...Object.fromEntries(rooms.map((room) => [`${room}/index`, `src/${room}/index.ts`])),
    "cli/main": "src/cli/main.ts",
    "layer/worker": "src/layer/worker.ts",
  },
  format: "esm",
  platform: "node",
  target: "node20.19",
  dts: { oxc: true },
  clean: true,
  outDir: "dist",
  fixedExtension: false,
});

export default config;
