import { readdirSync } from "node:fs";
import { defineConfig, type UserConfig } from "tsdown";
import { inlineWorker } from "./scripts/inline-worker.ts";

// One entry per public room, the command, and what stands for node:crypto in browsers.
const rooms = readdirSync("src", { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && readdirSync(`src/${entry.name}`).includes("index.ts"))
  .map((entry) => entry.name);

const config: UserConfig = defineConfig({
  entry: {
    ...Object.fromEntries(rooms.map((room) => [`${room}/index`, `src/${room}/index.ts`])),
    "cli/main": "src/cli/main.ts",
    "spec/crypto-browser": "src/spec/crypto-browser.ts",
  },
  format: "esm",
  platform: "node",
  target: "node20.19",
  dts: { oxc: { stripInternal: true } },
  plugins: [inlineWorker()],
  clean: true,
  outDir: "dist",
  fixedExtension: false,
  // A module that is imported both ways is often still loaded late, with the chunk of the module that imports it. What
  // each command really loads is measured: test/package/budget.test.ts.
  inputOptions: { checks: { ineffectiveDynamicImport: false, pluginTimings: false } },
  // Rooms that are always used together share a file: finding and reading fifty small ones costs more than running
  // them. What the entry file needs stays alone.
  outputOptions: {
    codeSplitting: {
      groups: [
        { name: "version", test: /src\/base\/version\.ts$/, priority: 6 },
        // What runs in a browser too; nothing here may share a file with what needs Node.
        {
          name: "model",
          test: /src\/(?:base(?!\/async)|spec(?!\/crypto-browser)|reference)\/.*(?<!\.d)\.ts$/,
          priority: 5,
        },
        { name: "sys", test: /src\/(?:sys\/(?!native).*|base\/async)(?<!\.d)\.ts$/, priority: 4 },
        {
          name: "archive",
          test: /src\/(?:(?:tar|compression|layer)\/(?!worker-source|index)|sys\/native).*(?<!\.d)\.ts$/,
        },
        {
          name: "remote",
          test: /src\/(?:(?:transport|transfer|registry\/(?:remote|memory|routed)|config(?=\/routes))\/(?!index\.ts).*|registry\/(?:session|identity))(?<!\.d)\.ts$/,
          priority: 1,
        },
        {
          name: "engine",
          priority: 2,
          test: /src\/(?:content|images|registry(?!\/(?:remote|memory|cache|routed)\/|\/(?:client|session|identity))|store)\/(?!index\.ts|derived\.|directory\.|gc\/|fsck\.|presence\.|sql\/(?:sqlite|postgres|migrations)\.).*(?<!\.d)\.ts$/,
        },
        {
          name: "routes",
          priority: 3,
          test: /src\/config\/(?:hosts|hosts-toml|registries-conf|certs-d|file|hub-proxy|short-names)\.ts$|\/smol-toml\//,
        },
        // What most verbs need; what a few need stays with them.
        { name: "verbs", test: /src\/(?:verbs|puller)\/(?!index).*(?<!\.d)\.ts$/, minShareCount: 8 },
        {
          name: "help",
          priority: 1,
          test: /src\/cli\/(?:help\/.*|app|command-groups|commands|describe-error|flags|flag-kinds|resolve|style|wrap)(?<!\.d)\.ts$/,
        },
        { name: "cli", test: /src\/cli\/(?!commands\/|main|completion\/|prompt).*(?<!\.d)\.ts$/ },
      ],
    },
  },
});

export default config;
