import { chmodSync, lchownSync } from "node:fs";
import { makeDevice, native } from "../../src/sys/native.ts";
import type { Time } from "../../src/tar/index.ts";
import type { TreeNode } from "./tree.ts";

/** The metadata of a node: everything except its type and content. */
export type Metadata = Pick<TreeNode, "mode" | "owner" | "mtime" | "xattrs">;

/** A directory that no layer declares. */
export const undeclaredDirectory: Metadata = { mode: "755", owner: "0:0", mtime: "0" };

/** The metadata of a node for an entry, without overlayfs's own attributes. */
export function metadataOf(node: Metadata): {
  mode: number;
  uid: number;
  gid: number;
  mtime: Time;
  xattrs: Map<string, Buffer>;
} {
  const [uid, gid] = node.owner.split(":").map(Number) as [number, number];
  const time = BigInt(node.mtime);
  const nanoseconds = Number(((time % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n);
  const seconds = Number((time - BigInt(nanoseconds)) / 1_000_000_000n);
  return { mode: Number.parseInt(node.mode, 8), uid, gid, mtime: { seconds, nanoseconds }, xattrs: xattrsOf(node) };
}

/** Parses lines of getfattr: NAME=0xHEX, or NAME alone if the value is empty. */
function xattrsOf({ xattrs }: Metadata): Map<string, Buffer> {
  const found = new Map<string, Buffer>();
  for (const line of xattrs?.split("\n") ?? []) {
    const [, name, hex] = /^(.*?)(?:=0x([0-9a-f]*))?(?:="")?$/i.exec(line)!;
    if (!name!.startsWith("trusted.overlay.")) found.set(name!, Buffer.from(hex ?? "", "hex"));
  }
  return found;
}

export function sameMetadata(one: Metadata, other: Metadata): boolean {
  const facts = (node: Metadata): string => {
    const xattrs = Array.from(xattrsOf(node), ([name, value]) => `${name}=${value.toString("hex")}`);
    return [node.mode, node.owner, node.mtime, ...xattrs.sort()].join("\n");
  };
  return facts(one) === facts(other);
}

/** The numbers of a device; none for other nodes. */
export function deviceOf({ device }: TreeNode): { major?: number; minor?: number } {
  if (device === undefined) return {};
  const number = BigInt(device);
  const major = Number(((number >> 32n) & 0xfffff000n) | ((number >> 8n) & 0xfffn));
  const minor = Number(((number >> 12n) & 0xffffff00n) | (number & 0xffn));
  if (makeDevice(major, minor) !== number) throw new Error(`the device ${device} was not read right`);
  return { major, minor };
}

/** Changes the metadata of a directory to what an entry of a layer can hold. */
export function setMetadata(path: string | Buffer, metadata: ReturnType<typeof metadataOf>): void {
  const system = native();
  const { mode, uid, gid, mtime, xattrs } = metadata;
  for (const name of system.llistxattr(path))
    if (!name.toString().startsWith("trusted.overlay.")) system.lremovexattr(path, name);
  for (const [name, value] of xattrs) system.lsetxattr(path, name, value);
  lchownSync(path, uid, gid);
  chmodSync(path, mode);
  system.lutimens(path, BigInt(mtime.seconds), mtime.nanoseconds);
}
