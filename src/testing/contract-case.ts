import assert from "node:assert/strict";
import type { ErrorCode } from "../base/codes.ts";
import { isGantryError } from "../base/error.ts";
import { type BlobSource, bytesSource } from "../content/source.ts";
import { parseRepoName, type RepoName } from "../reference/reference.ts";
import type { Registry } from "../registry/registry.ts";
import { type Digest, parseDigest } from "../spec/digest.ts";
import type { TestBlob } from "./images.ts";

/** What an implementation supports. Default: everything. The suite asserts that the rest throws UNSUPPORTED. */
export interface RegistryCapabilities {
  readonly delete?: boolean | undefined;
  readonly upload?: boolean | undefined;
  readonly referrers?: boolean | undefined;
  readonly repositories?: boolean | undefined;
  /** Blobs of one repository are unknown in another. */
  readonly isolated?: boolean | undefined;
  /** What precedes the names of repositories in lists: a store adds the host. Default: nothing. */
  readonly prefix?: string | undefined;
}

export interface ContractCase {
  readonly name: string;
  run(registry: Registry): Promise<void>;
}

/** Capabilities with their defaults. */
export type Abilities = { readonly [Name in keyof RegistryCapabilities]-?: NonNullable<RegistryCapabilities[Name]> };

export const repo: RepoName = parseRepoName("contract/one");
export const other: RepoName = parseRepoName("contract/two");
/** A digest that no blob has. */
export const absent: Digest = parseDigest(`sha256:${"0".repeat(64)}`);

export const source = (blob: TestBlob): BlobSource => bytesSource(blob.descriptor, blob.bytes);

export async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

/** Asserts that `work` fails with one of the codes. */
export async function rejects(work: Promise<unknown> | (() => Promise<unknown>), ...codes: ErrorCode[]): Promise<void> {
  try {
    await (typeof work === "function" ? work() : work);
  } catch (error) {
    assert.ok(isGantryError(error, ...codes), `expected ${codes.join(" or ")}, got ${error}`);
    return;
  }
  assert.fail(`expected ${codes.join(" or ")}, but it succeeded`);
}
