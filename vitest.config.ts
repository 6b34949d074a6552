import { defineConfig, type ViteUserConfig } from "vitest/config";
import { inlineWorker } from "./scripts/inline-worker.ts";

const config: ViteUserConfig = defineConfig({
  plugins: [inlineWorker()],
  test: {
    include: ["src/**/*.test.ts", "test/**/*.test.ts"],
    testTimeout: 60_000,
    hookTimeout: 120_000,
    // Tests measure memory, kill processes and mount filesystems: two at a time are enough for two cores.
    maxWorkers: 2,
  },
});

export default config;
