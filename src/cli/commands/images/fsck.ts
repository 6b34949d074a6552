import { buildCommand, type Command } from "@stricli/core";
import { GantryError } from "../../../base/error.ts";
import { formatBytes, printable } from "../../../base/text.ts";
import type { FsckReport } from "../../../store/fsck.ts";
import type { Context } from "../../context.ts";
import { jsonFlag, progressFlag, type StoreFlags, storeFlags } from "../../flags.ts";
import type { ProgressMode } from "../../progress.ts";
import { session } from "../../session.ts";
import { openStore } from "../../store.ts";

interface Flags extends StoreFlags {
  readonly rebuild: boolean;
  readonly json: boolean;
  readonly progress: ProgressMode;
}

export const fsckCommand: Command<Context> = buildCommand({
  docs: {
    brief: "Check the store: hash every blob, follow every image",
    fullDescription:
      "Says what is wrong and which command mends it, and then ends with 5. With --rebuild names are restored from index.json where the database has lost them, and damaged blobs are removed so that a pull brings them again.",
  },
  parameters: {
    flags: {
      ...storeFlags,
      rebuild: { kind: "boolean", brief: "Repair what can be repaired", default: false, withNegated: false },
      json: jsonFlag,
      progress: progressFlag,
    },
    positional: { kind: "tuple", parameters: [] },
  },
  func(this: Context, flags: Flags) {
    return session(this, flags, async (io) => {
      const { signal, progress, print, json } = io;
      const store = openStore(flags, io);
      const report = await store.fsck({ rebuild: flags.rebuild, signal, progress });
      if (flags.json) json(report);
      else print(describe(report));
      const { length } = report.findings;
      if (length === 0) return;
      throw new GantryError(
        "STORE_DAMAGED",
        `the store ${store.directory} has ${length} fault${length === 1 ? "" : "s"}`,
      );
    });
  },
});

function describe({ blobs, bytes, images, findings, repaired }: FsckReport): string {
  const lines = [
    ...repaired.map((line) => `repaired: ${printable(line)}`),
    ...findings.flatMap(({ kind, message, repair }) => [
      `${kind}: ${printable(message)}`,
      ...(repair ? [`  mend it with: ${printable(repair)}`] : []),
    ]),
    `${blobs} blobs (${formatBytes(bytes)}) and ${images} images checked, ${findings.length} faults`,
  ];
  return `${lines.join("\n")}\n`;
}
