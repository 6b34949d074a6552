export type { EntryType, TarHeader, Time } from "./header.ts";
export { type TarHandler, TarReader } from "./reader.ts";
export { encodeEntry, encodeHeader, encodeTar, paxRecord, type TarEntry } from "./writer.ts";
