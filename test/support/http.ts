import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from "node:http";
import { createServer as createTlsServer, type ServerOptions } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { peer } from "./peers.ts";

export interface Listening {
  readonly host: string;
  readonly port: number;
  readonly server: Server;
  /** Every request, in the order of arrival. */
  readonly seen: IncomingMessage[];
}

/** A server on a loopback port until the test ends. */
export async function listening(handler: RequestListener, tls?: ServerOptions): Promise<Listening> {
  const seen: IncomingMessage[] = [];
  const listener: RequestListener = (request, response) => {
    seen.push(request);
    handler(request, response);
  };
  const server = tls ? createTlsServer(tls, listener) : createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return { host: `127.0.0.1:${port}`, port, server: server as Server, seen };
}

export function answer(
  response: ServerResponse,
  status: number,
  body: object | string | Buffer = "",
  headers = {},
): void {
  const bytes = Buffer.isBuffer(body) || typeof body === "string" ? body : JSON.stringify(body);
  response.writeHead(status, { "content-type": "application/json", ...headers }).end(bytes);
}

/** A CONNECT proxy that records what clients send before the tunnel is open. */
export async function tunnels(): Promise<
  Listening & { readonly connects: { target: string; headers: IncomingMessage["headers"] }[] }
> {
  const { connect } = await import("node:net");
  const connects: { target: string; headers: IncomingMessage["headers"] }[] = [];
  const listener = await listening((_request, response) => answer(response, 500));
  listener.server.on("connect", (request: IncomingMessage, client: Socket) => {
    connects.push({ target: request.url!, headers: request.headers });
    const port = Number(request.url!.split(":").at(-1));
    // Every name leads to a server of this test.
    const upstream = connect(port, "127.0.0.1", () => {
      client.write("HTTP/1.1 200 OK\r\n\r\n");
      client.pipe(upstream).pipe(client);
    });
    for (const socket of [client, upstream]) socket.on("error", () => {});
    client.on("close", () => upstream.destroy());
  });
  return { ...listener, connects };
}

/** Makes a private CA, and certificates for servers (by name) and a client, as PEM files in `directory`. */
export async function certificates(
  directory: string,
  names: string,
): Promise<{
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
  readonly clientCert: string;
  readonly clientKey: string;
}> {
  const script = `cd "${directory}"
    openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=test-ca -keyout ca.key -out ca.pem
    openssl req -newkey rsa:2048 -nodes -subj /CN=localhost -keyout key.pem -out request.pem
    echo "subjectAltName=${names}" > names
    openssl x509 -req -in request.pem -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names -out cert.pem
    openssl req -newkey rsa:2048 -nodes -subj /CN=me -keyout client.key -out client-request.pem
    openssl x509 -req -in client-request.pem -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -out client.cert`;
  await peer("bash", ["-ec", script]);
  const path = (name: string): string => join(directory, name);
  return {
    ca: path("ca.pem"),
    cert: path("cert.pem"),
    key: path("key.pem"),
    clientCert: path("client.cert"),
    clientKey: path("client.key"),
  };
}
