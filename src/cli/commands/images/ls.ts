import { buildCommand, type Command } from "@stricli/core";
import { formatBytes, printable } from "../../../base/text.ts";
import { type ListedImage, listImages } from "../../../verbs/images.ts";
import type { Context } from "../../context.ts";
import { jsonFlag, type StoreFlags, storeFlags } from "../../flags.ts";
import { session } from "../../session.ts";
import { withStore } from "../../store.ts";

interface Flags extends StoreFlags {
  readonly filter?: readonly string[];
  readonly json: boolean;
}

export const lsCommand: Command<Context> = buildCommand({
  docs: {
    brief: "List the images of the store",
    fullDescription: [
      "HERE says how much of an image is on this host: complete, partial with the",
      "platforms that are complete, or absent.",
      "",
      "Filters are containerd's: labels.team==core, name~=alpine, target.digest!=...;",
      "a comma is AND, several --filter are OR.",
    ].join("\n"),
  },
  parameters: {
    flags: {
      ...storeFlags,
      filter: {
        kind: "parsed",
        parse: String,
        brief: "Only images that match, such as labels.team==core",
        placeholder: "FILTER",
        variadic: true,
        optional: true,
      },
      json: jsonFlag,
    },
    positional: { kind: "tuple", parameters: [] },
  },
  func(this: Context, flags: Flags) {
    return session(this, {}, (io) =>
      withStore(flags, async (store) => {
        const images = await listImages(store, flags.filter);
        if (flags.json) io.json(images);
        else io.print(table(images));
      }),
    );
  },
});

function table(images: readonly ListedImage[]): string {
  const rows = images.map(({ name, target, here, updatedAt }) => [
    printable(name),
    target.digest.slice(7, 19),
    printable(here.state === "partial" ? `partial: ${here.platforms.join(", ") || "no platform"}` : here.state),
    formatBytes(here.size),
    updatedAt.slice(0, 16).replace("T", " "),
  ]);
  const all = [["NAME", "DIGEST", "HERE", "SIZE", "UPDATED"], ...rows];
  const widths = all[0]!.map((_, column) => all.reduce((most, row) => Math.max(most, row[column]!.length), 0));
  return all
    .map(
      (row) =>
        `${row
          .map((cell, at) => cell.padEnd(widths[at]!))
          .join("  ")
          .trimEnd()}\n`,
    )
    .join("");
}
