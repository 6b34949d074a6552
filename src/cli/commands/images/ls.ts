import { existsSync } from "node:fs";
import { buildCommand, type Command } from "@stricli/core";
import { formatBytes, printable, printableJson } from "../../../base/text.ts";
import { Derived } from "../../../store/derived.ts";
import { blobListings, defaultStoreDirectory, derivedFile, nameListings } from "../../../store/directory.ts";
import type { ListedImage } from "../../../verbs/images.ts";
import type { Context } from "../../context.ts";
import { jsonFlag, type StoreFlags, storeFlags } from "../../flags.ts";
import { type Session, session } from "../../session.ts";

interface Flags extends StoreFlags {
  readonly filter?: readonly string[] | undefined;
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
    return session(this, {}, async (io) => io.print(await listing(flags, io)));
  },
});

/**
 * What is printed follows from the store's files, so it is kept beside them: thousands of images are listed without
 * opening a database.
 */
async function listing(flags: Flags, io: Session): Promise<string> {
  const make = async (): Promise<string> => {
    const [{ openStore }, { listImages }] = await Promise.all([
      import("../../store.ts"),
      import("../../../verbs/images.ts"),
    ]);
    const images = await listImages(openStore(flags, io), flags.filter);
    return flags.json ? `${printableJson(images)}\n` : table(images);
  };
  const directory = flags.store ?? defaultStoreDirectory();
  const namespace = flags.namespace ?? (process.env["GANTRY_NAMESPACE"] || "default");
  const shared = flags.storeDb ?? process.env["GANTRY_STORE_DB"];
  // Capitals: some file systems do not tell two namespaces apart that we do.
  if (shared || flags.filter?.length || !/^[a-z0-9._-]+$/.test(namespace)) return make();
  const kept = derivedFile(directory, `images-${namespace}.${flags.json ? "json" : "txt"}`);
  const files = [...nameListings(directory), ...blobListings(directory)];
  if (!existsSync(nameListings(directory)[1]!)) return make();
  const listing = new Derived(kept, files);
  const known = listing.read();
  if (known !== undefined) return known;
  const text = await make();
  listing.keep(text);
  return text;
}

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
