import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import { bytesSource } from "../../src/content/index.ts";
import { parseRepoName } from "../../src/reference/index.ts";
import { RemoteRegistry } from "../../src/registry/index.ts";
import { rejects, testBlob } from "../../src/testing/index.ts";
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

  test("N4 who we are is for the registry's own origin: not for where uploads, pages or redirects lead", async () => {
    const seen: { readonly path: string; readonly authorization: string | undefined }[] = [];
    const listen = async (handler: RequestListener): Promise<number> => {
      const server = createServer(handler);
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      onTestFinished(() => void server.close());
      return (server.address() as AddressInfo).port;
    };
    const foreign = await listen((request, response) => {
      request.resume().on("end", () => {
        const { authorization } = request.headers;
        seen.push({ path: request.url!.replace(/\?digest.*/, ""), authorization });
        if (request.method === "PUT") return void response.writeHead(201).end();
        if (request.url === "/page") response.setHeader("link", '</page?p=2>; rel="next"');
        response.setHeader("content-type", "application/json").end('{"name":"app","tags":["x"]}');
      });
    });
    const own = await listen((request, response) => {
      request.resume().on("end", () => {
        if (request.headers.authorization === undefined) {
          return void response.writeHead(401, { "www-authenticate": 'Basic realm="x"' }).end();
        }
        // The same machine under another name, or at another port, is another origin.
        const away = `http://localhost:${foreign}`;
        if (request.method === "POST") return void response.writeHead(202, { location: `${away}/up` }).end();
        if (request.method === "GET") return void response.writeHead(307, { location: `${away}/page` }).end();
        response.writeHead(404).end();
      });
    });
    const password = { kind: "password", username: "me", password: "secret" };
    const registry = new RemoteRegistry(`127.0.0.1:${own}`, known(password));
    const { descriptor, bytes } = testBlob("content");
    await registry.pushBlob(parseRepoName("app"), descriptor, bytesSource(descriptor, bytes));
    await tagsOf(registry).catch(() => {});
    await registry.close();
    expect(seen.map(({ path }) => path)).toEqual(expect.arrayContaining(["/up", "/page"]));
    for (const request of seen) expect(request.authorization).toBeUndefined();
  });
});
