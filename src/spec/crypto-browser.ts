// Takes the place of node:crypto where a bundler builds for browsers (`browser` in package.json).
import { sha256, sha512 } from "@noble/hashes/sha2.js";

/** What `Hasher` and `digestOf` use of node:crypto. */
interface Hash {
  update(data: Uint8Array | string): Hash;
  copy(): Hash;
  digest(encoding: "hex"): string;
}

type State = ReturnType<typeof sha256.create> | ReturnType<typeof sha512.create>;

const hashOf = (state: State): Hash => ({
  update(data) {
    state.update(typeof data === "string" ? new TextEncoder().encode(data) : data);
    return this;
  },
  copy: () => hashOf(state.clone()),
  digest: () => Array.from(state.digest(), (byte) => byte.toString(16).padStart(2, "0")).join(""),
});

export const createHash = (algorithm: "sha256" | "sha512"): Hash =>
  hashOf((algorithm === "sha256" ? sha256 : sha512).create());
