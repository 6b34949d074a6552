#!/usr/bin/env node
// The entry point. It loads only what the given command needs.
import { version } from "../base/version.ts";

const [first, second] = process.argv.slice(2);
if (first === "--version" || (first === "version" && second === undefined)) {
  process.stdout.write(`gantry ${version}\n`);
} else {
  const { main } = await import("./app.ts");
  await main(process.argv.slice(2));
}
