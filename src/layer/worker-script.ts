/**
 * The script of the worker threads, inside its URL: a program that bundles gantry into one file has no script beside
 * it. `gantryHome` is where the worker looks for koffi: its own URL is no place on disk.
 */
export async function workerScript(): Promise<URL> {
  const { workerSource } = await import("./worker-source.ts");
  // Bundled as CommonJS, a file has no import.meta.url.
  const home = JSON.stringify(import.meta.url ?? __filename);
  const source = `const gantryHome = ${home};\n${workerSource}\n//# sourceURL=gantry-layer-worker.js`;
  return new URL(`data:text/javascript;base64,${Buffer.from(source).toString("base64")}`);
}
