import { existsSync } from "node:fs";
import { formatBytes, printable, printableJson } from "../../../base/text.ts";
import { Derived } from "../../../store/derived.ts";
import { blobListings, defaultStoreDirectory, derivedFile, nameListings } from "../../../store/directory.ts";
import type { ListedImage } from "../../../verbs/images.ts";
import { type Context, defineCommand } from "../../command.ts";
import { several } from "../../flag-kinds.ts";
import { jsonFlag, type StoreFlags, storeFlags } from "../../flags.ts";
import { type Session, session } from "../../session.ts";
import { table } from "../../table.ts";

interface Flags extends StoreFlags {
  readonly filter?: readonly string[] | undefined;
  readonly json: boolean;
}

export const lsCommand = defineCommand({
  details: `HERE says how much of an image is in the store: complete; partial, with the platforms that are complete; or absent.

Filters are those of containerd: labels.team==core, name~=alpine, target.digest!=DIGEST. A comma means AND, several --filter mean OR.`,
  examples: [
    ["List the images of the store", "gantry images ls"],
    ["List the images with a label", "gantry images ls --filter labels.team==core"],
    ["The same as JSON", "gantry images ls --json --filter labels.team==core"],
  ],
  parameters: {
    flags: { filter: several("Show only images that match", "FILTER"), ...storeFlags, json: jsonFlag },
    positional: { kind: "tuple", parameters: [] },
  },
  func(this: Context, flags: Flags) {
    return session(this, {}, async (io) => {
      const text = await listing(flags, io);
      // NAME and HERE may be shortened.
      io.print(flags.json ? text : table(parseRows(text), io.columns, [0, 2]));
    });
  },
});

/** Separates cells and rows; control characters in names are escaped, so no cell contains them. */
const [CELL, ROW] = ["\t", "\n"];

/**
 * The listing depends only on the store's files, so it is kept beside them: thousands of images are listed without
 * opening a database.
 */
async function listing(flags: Flags, io: Session): Promise<string> {
  const make = async (): Promise<string> => {
    const [{ openStore }, { listImages }] = await Promise.all([
      import("../../store.ts"),
      import("../../../verbs/images.ts"),
    ]);
    const images = await listImages(openStore(flags, io), flags.filter);
    return flags.json ? `${printableJson(images)}\n` : rowsOf(images);
  };
  const directory = flags.store ?? defaultStoreDirectory();
  const namespace = flags.namespace ?? (process.env["GANTRY_NAMESPACE"] || "default");
  const shared = flags.storeDb ?? process.env["GANTRY_STORE_DB"];
  // No capitals: some file systems would give two namespaces that differ only in case the same file.
  if (shared || flags.filter?.length || !/^[a-z0-9._-]+$/.test(namespace)) return make();
  const kept = derivedFile(directory, `images-${namespace}.${flags.json ? "json" : "tsv"}`);
  const files = [...nameListings(directory), ...blobListings(directory)];
  if (!existsSync(nameListings(directory)[1]!)) return make();
  const derived = new Derived(kept, files);
  const known = derived.read();
  if (known !== undefined) return known;
  const text = await make();
  derived.keep(text);
  return text;
}

function rowsOf(images: readonly ListedImage[]): string {
  const rows = images.map(({ name, target, here, updatedAt }) => [
    printable(name),
    target.digest.slice(7, 19),
    printable(here.state === "partial" ? `partial: ${here.platforms.join(", ") || "no platform"}` : here.state),
    formatBytes(here.size),
    updatedAt.slice(0, 16).replace("T", " "),
  ]);
  return [["NAME", "DIGEST", "HERE", "SIZE", "UPDATED"], ...rows].map((row) => row.join(CELL)).join(ROW);
}

const parseRows = (text: string): string[][] => text.split(ROW).map((row) => row.split(CELL));
