import { buildCommand, type Command } from "@stricli/core";
import { formatBytes, printable } from "../../../base/text.ts";
import type { Context } from "../../context.ts";
import { jsonFlag, type StoreFlags, storeFlags } from "../../flags.ts";
import { session } from "../../session.ts";
import { openStore } from "../../store.ts";

interface Flags extends StoreFlags {
  readonly dryRun: boolean;
  readonly json: boolean;
}

export const gcCommand: Command<Context> = buildCommand({
  docs: {
    brief: "Remove the blobs that no image of the store needs",
    fullDescription:
      "What a name of any namespace leads to stays, and so does what a pull that is under way has brought or found. A pull that died is protected for an hour.",
  },
  parameters: {
    flags: {
      ...storeFlags,
      dryRun: { kind: "boolean", brief: "Say what would go, and how much it is", default: false, withNegated: false },
      json: jsonFlag,
    },
    positional: { kind: "tuple", parameters: [] },
  },
  func(this: Context, flags: Flags) {
    return session(this, {}, async (io) => {
      const report = await openStore(flags, io).gc({ dryRun: flags.dryRun, signal: io.signal });
      if (flags.json) return io.json({ dryRun: flags.dryRun, ...report });
      const { blobs, layers, bytes, kept } = report;
      for (const { digest, size } of blobs) io.print(`${digest}  ${formatBytes(size)}\n`);
      for (const name of layers) io.print(`layers/${printable(name)}\n`);
      const verb = flags.dryRun ? "would go" : "removed";
      this.process.stderr.write(`${blobs.length} blobs ${verb}, ${formatBytes(bytes)}; ${kept} stay\n`);
    });
  },
});
