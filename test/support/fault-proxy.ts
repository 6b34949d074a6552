import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { onTestFinished } from "vitest";

/** Faults of a registry, or of the network before it. */
export const faultKinds = [
  "reset",
  "upload reset",
  "stall",
  "silence",
  "truncation",
  "corruption",
  "429",
  "500 burst",
  "token expiry",
  "redirect",
  "wrong range",
  "small window",
] as const;
export type FaultKind = (typeof faultKinds)[number];

/** Numbers that look random and are the same for the same seed: mulberry32. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

export interface FaultProxy {
  readonly host: string;
  /** How often each fault really happened. */
  readonly hits: Record<FaultKind, number>;
  /** The requests to the other host, to which blobs are redirected. */
  readonly elsewhere: { readonly authorization: string | undefined }[];
  /** When bytes last went through, in milliseconds since the process started. */
  readonly lastActivity: () => number;
  /** The share of requests that get a fault. */
  rate: number;
}

const PASSWORD = `Basic ${Buffer.from("me:the-password").toString("base64")}`;
export const faultSecrets: readonly string[] = ["the-password", PASSWORD.slice(6), "tok-"];

/**
 * A registry with a token server, behind a network with faults from a seed. It passes every request on to the registry
 * at `target`, some of them with a fault.
 */
export async function faultProxy(target: string, random: () => number): Promise<FaultProxy> {
  const hits = Object.fromEntries(faultKinds.map((kind) => [kind, 0])) as Record<FaultKind, number>;
  const elsewhere: { authorization: string | undefined }[] = [];
  let activity = performance.now();
  const alive = (): void => {
    activity = performance.now();
  };
  let tokens = 0;
  const valid = new Set<string>();
  let burst = 0;

  const pick = (request: IncomingMessage, path: string): FaultKind | undefined => {
    const ranged = request.headers.range !== undefined;
    const uploads = (request.method === "PUT" || request.method === "PATCH") && /\/uploads\//.test(path);
    const blob = request.method === "GET" && /\/blobs\/sha256:/.test(path);
    // Rare requests get faults more often, so that each kind of fault happens.
    if (random() >= proxy.rate * (ranged ? 9 : blob ? 3 : uploads ? 2 : 1)) return undefined;
    // Ranges are only asked for after a broken download.
    if (blob && !ranged && random() < 0.4) return "reset";
    const fits: FaultKind[] = ["429", "500 burst", "silence", "token expiry"];
    const get = request.method === "GET";
    if (get) fits.push("reset", "stall", "truncation", "corruption");
    if (blob) fits.push("redirect");
    if (ranged) fits.push("wrong range", "small window");
    if (uploads) fits.push("upload reset");
    // Mostly the kind that has happened least, so that each kind happens.
    const rarest = fits.reduce((least, kind) => (hits[kind] < hits[least] ? kind : least));
    return random() < 0.7 ? rarest : fits[Math.floor(random() * fits.length)];
  };

  const pass = (request: IncomingMessage, response: ServerResponse, kind: FaultKind | undefined): void => {
    const headers = { ...request.headers };
    delete headers.authorization;
    const outgoing = httpRequest({
      host: target.split(":")[0],
      port: target.split(":")[1],
      method: request.method,
      path: request.url,
      headers,
      agent: false,
    });
    outgoing.on("error", () => response.destroy());
    let passed = 0;
    const cutUpload =
      kind === "upload reset" ? random() * Number(headers["content-length"] ?? 0) : Number.POSITIVE_INFINITY;
    request.on("data", (chunk: Buffer) => {
      alive();
      passed += chunk.length;
      if (passed > cutUpload && kind === "upload reset") {
        hits[kind] += 1;
        outgoing.destroy();
        request.socket.resetAndDestroy();
        return;
      }
      if (!outgoing.write(chunk)) {
        request.pause();
        outgoing.once("drain", () => request.resume());
      }
    });
    request.on("end", () => outgoing.end());
    request.on("error", () => outgoing.destroy());
    outgoing.on("response", (incoming) => {
      const chunks: Buffer[] = [];
      incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
      incoming.on("end", () => answer(response, incoming, Buffer.concat(chunks), kind));
      incoming.on("error", () => response.destroy());
    });
  };

  const answer = (
    response: ServerResponse,
    incoming: IncomingMessage,
    body: Buffer,
    kind: FaultKind | undefined,
  ): void => {
    alive();
    if (response.destroyed) return;
    const headers = { ...incoming.headers };
    let status = incoming.statusCode ?? 500;
    let bytes = body;
    if (bytes.length > 0 && (kind === "corruption" || kind === "truncation" || kind === "reset" || kind === "stall")) {
      const at = Math.floor(random() * bytes.length);
      hits[kind] += 1;
      if (kind === "corruption") {
        bytes = Buffer.from(bytes);
        bytes[at] = bytes[at]! ^ (1 << Math.floor(random() * 8));
      } else if (kind === "truncation") {
        bytes = bytes.subarray(0, at);
        headers["content-length"] = String(bytes.length);
        if (random() < 0.5) {
          delete headers["content-length"];
          headers["transfer-encoding"] = "chunked";
        }
      } else {
        response.writeHead(status, headers);
        response.write(bytes.subarray(0, at), () => {
          if (kind === "reset") setTimeout(() => response.socket?.resetAndDestroy(), 5);
        });
        return;
      }
    }
    const range = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(headers["content-range"] ?? "");
    if (range && status === 206 && (kind === "wrong range" || kind === "small window")) {
      hits[kind] += 1;
      const from = Number(range[1]);
      if (kind === "small window") {
        bytes = bytes.subarray(0, Math.min(bytes.length, 1 + Math.floor(random() * 50_000)));
        headers["content-range"] = `bytes ${from}-${from + bytes.length - 1}/${range[3]}`;
        headers["content-length"] = String(bytes.length);
      } else if (random() < 0.5) headers["content-range"] = `bytes ${from + 1}-${range[2]}/${range[3]}`;
      else {
        status = 200;
        delete headers["content-range"];
      }
    }
    response.writeHead(status, headers);
    response.end(bytes);
  };

  const other = createServer((request, response) => {
    alive();
    elsewhere.push({ authorization: request.headers.authorization });
    pass(request, response, undefined);
  });
  await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));

  const server = createServer((request, response) => {
    alive();
    const url = new URL(request.url ?? "/", "http://x");
    if (url.pathname === "/token") {
      request.resume();
      if (request.headers.authorization !== PASSWORD) return void response.writeHead(401).end();
      tokens += 1;
      valid.add(`Bearer tok-${tokens}`);
      return void response.end(JSON.stringify({ token: `tok-${tokens}`, expires_in: 3600 }));
    }
    if (url.pathname === "/v2/" && !request.headers.authorization) {
      request.resume();
      return void response.writeHead(200).end("{}");
    }
    const kind = burst > 0 ? "500 burst" : pick(request, url.pathname);
    if (kind === "token expiry") {
      valid.clear();
      hits[kind] += 1;
    }
    if (!valid.has(request.headers.authorization ?? "")) {
      request.resume();
      const realm = `http://${request.headers.host}/token`;
      return void response.writeHead(401, { "www-authenticate": `Bearer realm="${realm}",service="faults"` }).end();
    }
    if (kind === "429") {
      hits[kind] += 1;
      request.resume();
      return void response.writeHead(429, { "retry-after": random() < 0.1 ? "1" : "0" }).end();
    }
    if (kind === "500 burst") {
      hits[kind] += 1;
      burst = burst > 0 ? burst - 1 : Math.floor(random() * 3);
      request.resume();
      return void response
        .writeHead(500 + 2 * Math.floor(random() * 2))
        .end('{"errors":[{"code":"UNKNOWN","message":"trouble"}]}');
    }
    if (kind === "silence") {
      hits[kind] += 1;
      request.resume();
      return;
    }
    if (kind === "redirect") {
      hits[kind] += 1;
      const { port } = other.address() as AddressInfo;
      request.resume();
      return void response.writeHead(307, { location: `http://localhost:${port}${request.url}` }).end();
    }
    pass(request, response, kind);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    for (const each of [server, other]) {
      each.closeAllConnections();
      each.close();
    }
  });
  const proxy: FaultProxy = {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    hits,
    elsewhere,
    lastActivity: () => activity,
    rate: 0,
  };
  return proxy;
}
