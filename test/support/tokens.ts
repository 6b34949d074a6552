import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { onTestFinished } from "vitest";
import type { Credential, CredentialSource } from "../../src/config/index.ts";
import { parseRepoName } from "../../src/reference/index.ts";
import type { RemoteRegistry } from "../../src/registry/index.ts";

export interface TokenServer {
  readonly host: string;
  readonly requests: {
    readonly method: string;
    readonly url: URL;
    readonly authorization?: string;
    readonly body: string;
  }[];
}

/** A token server for `me` with the password `secret`, and the identity token `it`. Tokens last `expires` seconds. */
export async function tokenServer(expires = 60): Promise<TokenServer> {
  const requests: TokenServer["requests"] = [];
  const server = createServer(async (request: IncomingMessage, response) => {
    let body = "";
    for await (const chunk of request) body += chunk;
    const { authorization } = request.headers;
    requests.push({
      method: request.method!,
      url: new URL(request.url!, "http://x"),
      ...(authorization && { authorization }),
      body,
    });
    const form = new URLSearchParams(body);
    const known =
      authorization === `Basic ${Buffer.from("me:secret").toString("base64")}` || form.get("refresh_token") === "it";
    if (!known) return void response.writeHead(401).end();
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ token: `t${requests.length}`, expires_in: expires }));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  return { host: `127.0.0.1:${(server.address() as AddressInfo).port}`, requests };
}

/** A registry that requires a token of that server for every request. */
export async function guarded(
  tokens: TokenServer,
  realmHost = tokens.host,
  options: { readonly uploads?: boolean } = {},
): Promise<string> {
  const server = createServer((request, response) => {
    const { authorization } = request.headers;
    if (authorization === undefined || !/^Bearer (?:t\d+|given)$/.test(authorization)) {
      const challenge = `Bearer realm="http://${realmHost}/token",service="reg, \\"quoted\\""`;
      return void response.writeHead(401, { "www-authenticate": challenge }).end();
    }
    if (options.uploads && request.method === "HEAD") return void response.writeHead(404).end();
    if (options.uploads && request.method === "POST") {
      return void response.writeHead(202, { location: "/v2/app/blobs/uploads/1" }).end();
    }
    if (options.uploads && request.method === "PUT") {
      return void request.resume().on("end", () => response.writeHead(201).end());
    }
    response.setHeader("content-type", "application/json");
    response.end(request.url === "/v2/" ? "{}" : JSON.stringify({ name: "app", tags: ["v1"] }));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

export async function tagsOf(registry: RemoteRegistry): Promise<string[]> {
  const found: string[] = [];
  for await (const tag of registry.tags(parseRepoName("app"))) found.push(tag);
  return found;
}

/** A source with one credential, which counts how often it is asked. */
export function known(credential: object): { asked: () => number; credentials: CredentialSource } {
  let asked = 0;
  return {
    asked: () => asked,
    credentials: {
      async find() {
        asked += 1;
        return { ...credential, from: "a test" } as Credential;
      },
    },
  };
}
