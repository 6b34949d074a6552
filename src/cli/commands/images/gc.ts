import { formatBytes, printable } from "../../../base/text.ts";
import { type Context, defineCommand } from "../../command.ts";
import { on } from "../../flag-kinds.ts";
import { jsonFlag, type StoreFlags, storeFlags } from "../../flags.ts";
import { session } from "../../session.ts";
import { openStore } from "../../store.ts";

interface Flags extends StoreFlags {
  readonly dryRun: boolean;
  readonly json: boolean;
}

export const gcCommand = defineCommand({
  details:
    "Keeps every blob that a name in any namespace needs, and every blob that a running pull has downloaded or found. The blobs of a killed pull are kept for an hour.",
  examples: [
    ["Remove the blobs that no image needs", "gantry images gc"],
    ["Show what would be removed", "gantry images gc --dry-run"],
  ],
  parameters: {
    flags: { dryRun: on("Only show what would be removed"), ...storeFlags, json: jsonFlag },
    positional: { kind: "tuple", parameters: [] },
  },
  func(this: Context, flags: Flags) {
    return session(this, {}, async (io) => {
      const report = await openStore(flags, io).gc({ dryRun: flags.dryRun, signal: io.signal });
      if (flags.json) return io.json({ dryRun: flags.dryRun, ...report });
      const { blobs, layers, bytes, kept } = report;
      for (const { digest, size } of blobs) io.print(`${digest}  ${formatBytes(size)}\n`);
      for (const name of layers) io.print(`layers/${printable(name)}\n`);
      const verb = flags.dryRun ? "would be removed" : "removed";
      this.process.stderr.write(`${blobs.length} blobs ${verb}, ${formatBytes(bytes)}; ${kept} kept\n`);
    });
  },
});
