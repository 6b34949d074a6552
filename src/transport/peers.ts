import { type LookupAddress, type LookupOptions, lookup } from "node:dns";
import { GantryError } from "../base/error.ts";
import { isPrivateAddress } from "./addresses.ts";

/** At which kind of address each host was when it was first connected to. */
export class Peers {
  readonly #found = new Map<string, "private" | "public">();

  /** The first address counts: a host that was public stays public, whatever its name resolves to later. */
  note(hostname: string, address: string): void {
    if (!this.#found.has(hostname)) this.#found.set(hostname, isPrivateAddress(address) ? "private" : "public");
  }

  /** Whether a host has been found at a public address. */
  isPublic(hostname: string): boolean {
    return this.#found.get(hostname) === "public";
  }

  /** Whether a host is at a private address, by its name or by where it was found. */
  isPrivate(hostname: string): boolean {
    return isPrivateAddress(hostname) || this.#found.get(hostname) === "private";
  }

  clear(): void {
    this.#found.clear();
  }
}

type LookupCallback = (error: NodeJS.ErrnoException | null, address: string | LookupAddress[], family?: number) => void;

/**
 * Resolves a name for `net.connect`, and refuses it where any of its addresses is private. The check is made here so
 * that the connection is made to the very addresses that were checked.
 */
export function publicLookup(hostname: string, options: LookupOptions, callback: LookupCallback): void {
  lookup(hostname, { ...options, all: true }, (error, addresses) => {
    if (error) return callback(error, []);
    const inside = addresses.find(({ address }) => isPrivateAddress(address));
    if (inside) {
      return callback(
        new GantryError(
          "REDIRECT_REFUSED",
          `${hostname} resolves to the private address ${inside.address}; a public registry may not lead there`,
        ),
        [],
      );
    }
    if (options.all) return callback(null, addresses);
    const [first] = addresses;
    callback(null, first?.address ?? "", first?.family ?? 4);
  });
}
