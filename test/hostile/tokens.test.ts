import { describe, expect, test } from "vitest";
import { RemoteRegistry } from "../../src/registry/index.ts";
import { rejects } from "../../src/testing/index.ts";
import { guarded, known, tagsOf, tokenServer } from "../support/tokens.ts";

describe("hostile token servers", () => {
  test("N2 a password goes to the registry's own domain, and elsewhere only if the user says so", async () => {
    const tokens = await tokenServer();
    // The same machine by another name is another host.
    const elsewhere = `localhost:${tokens.host.split(":")[1]}`;
    const host = await guarded(tokens, elsewhere);
    for (const credential of [
      { kind: "password", username: "me", password: "secret" },
      { kind: "identity", token: "it" },
    ]) {
      const registry = new RemoteRegistry(host, known(credential));
      await rejects(tagsOf(registry), "REDIRECT_REFUSED");
      await expect(tagsOf(registry)).rejects.toThrow(/--trust-realm localhost/);
      await registry.close();
    }
    expect(tokens.requests).toEqual([]);
    const trusting = new RemoteRegistry(host, {
      ...known({ kind: "password", username: "me", password: "secret" }),
      trustedRealms: ["localhost"],
    });
    expect(await tagsOf(trusting)).toEqual(["v1"]);
    await trusting.close();
    // Without a password there is nothing to protect: anonymous tokens may come from anywhere.
    const anonymous = new RemoteRegistry(host);
    await rejects(tagsOf(anonymous), "UNAUTHORIZED");
    expect(tokens.requests.at(-1)!.authorization).toBeUndefined();
    await anonymous.close();
  });
});
