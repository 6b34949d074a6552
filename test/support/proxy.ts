import { connect as connectTo, createServer, type Socket } from "node:net";
import { onTestFinished } from "vitest";

export interface CuttingProxy {
  /** `127.0.0.1:PORT` */
  readonly host: string;
  /** Bytes that came from clients, and bytes that were sent to them. */
  readonly bytes: { up: number; down: number };
  /** Connections that were cut. */
  cuts: number;
}

/** A TCP proxy that cuts a connection after a number of bytes in one direction. */
export async function cuttingProxy(target: string, every: number): Promise<CuttingProxy> {
  const [host = "", port = ""] = target.split(":");
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connectTo(Number(port), host);
    const both = [client, upstream];
    for (const socket of both) {
      sockets.add(socket);
      socket
        .on("error", () => {})
        .on("close", () => {
          sockets.delete(socket);
          for (const other of both) other.destroy();
        });
    }
    const pass = (from: Socket, to: Socket, direction: "up" | "down"): void => {
      let passed = 0;
      from.on("data", (chunk: Buffer) => {
        const part = chunk.subarray(0, every - passed);
        passed += part.length;
        proxy.bytes[direction] += part.length;
        if (!to.write(part)) {
          from.pause();
          to.once("drain", () => from.resume());
        }
        if (passed < every) return;
        proxy.cuts += 1;
        from.removeAllListeners("data");
        // The bytes before the cut arrive; then the connection is dead for both sides.
        to.end();
        from.resetAndDestroy();
      });
    };
    pass(client, upstream, "up");
    pass(upstream, client, "down");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port: own } = server.address() as { port: number };
  const proxy: CuttingProxy = { host: `127.0.0.1:${own}`, bytes: { up: 0, down: 0 }, cuts: 0 };
  onTestFinished(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  return proxy;
}
