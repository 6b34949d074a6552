import { build } from "esbuild";

interface InlineWorker {
  readonly name: string;
  load(id: string): Promise<{ code: string; moduleType: "js" } | undefined>;
}

/** A plugin of the build and of the tests: it replaces src/layer/worker-source.ts by the bundled script of the workers. */
export const inlineWorker = (): InlineWorker => ({
  name: "inline-worker",
  async load(id) {
    if (!/[\\/]src[\\/]layer[\\/]worker-source\.ts$/.test(id)) return undefined;
    const { outputFiles } = await build({
      entryPoints: [id.replace("worker-source.ts", "worker.ts")],
      bundle: true,
      write: false,
      platform: "node",
      format: "esm",
      target: "node20.19",
      // src/layer/worker-script.ts declares it before this code.
      define: { "import.meta.url": "gantryHome" },
    });
    return { code: `export const workerSource = ${JSON.stringify(outputFiles[0]!.text)};`, moduleType: "js" };
  },
});
