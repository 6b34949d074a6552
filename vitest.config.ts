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
    // npm run coverage. The command runs in processes of its own, which are not counted: src/cli looks worse than it is.
    coverage: {
      include: ["src/**/*.ts"],
      exclude: ["src/**/*.test.ts", "src/**/index.ts"],
      reporter: ["text-summary", "html"],
      reportOnFailure: true,
      thresholds: { statements: 84, branches: 77, functions: 83, lines: 86 },
    },
  },
});

export default config;
