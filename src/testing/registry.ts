import { createServer, type IncomingMessage } from "node:http";
import { MemoryRegistry } from "../registry/memory/memory.ts";
import type { Registry } from "../registry/registry.ts";
import { type HandlerOptions, registryHandler } from "../server/handler.ts";
import { listen } from "../server/serve.ts";
import { type Misbehaviour, misbehave } from "./misbehaviour.ts";

export interface Fault {
  readonly on: Misbehaviour;
  /** Which requests. Default: all. */
  readonly method?: string | undefined;
  readonly path?: RegExp | undefined;
  /** For how many requests. Default: each one. */
  readonly times?: number | undefined;
}

/** A request as the registry saw it. */
export interface SeenRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage["headers"];
}

export interface TestRegistryOptions extends HandlerOptions {
  readonly registry?: Registry | undefined;
  readonly faults?: readonly Fault[] | undefined;
}

export interface TestRegistry extends AsyncDisposable {
  /** `127.0.0.1:PORT` */
  readonly host: string;
  readonly registry: Registry;
  readonly requests: SeenRequest[];
  /** The current faults. They may be replaced at any time. */
  faults: readonly Fault[];
  /** The number of open connections. */
  connections(): Promise<number>;
  close(): Promise<void>;
}

/** A real registry on a loopback port that can be told to misbehave. */
export async function startTestRegistry(options: TestRegistryOptions = {}): Promise<TestRegistry> {
  const registry = options.registry ?? new MemoryRegistry();
  const handler = registryHandler(registry, { allowDelete: true, ...options });
  const left = new Map<Fault, number>();
  const requests: SeenRequest[] = [];
  const server = createServer((request, response) => {
    const seen = { method: request.method ?? "", path: request.url ?? "", headers: { ...request.headers } };
    requests.push(seen);
    for (const fault of result.faults) {
      if (fault.method !== undefined && fault.method !== seen.method) continue;
      if (fault.path && !fault.path.test(seen.path)) continue;
      const times = left.get(fault) ?? fault.times ?? Number.POSITIVE_INFINITY;
      if (times <= 0) continue;
      left.set(fault, times - 1);
      if (misbehave(fault.on, request, response)) return;
    }
    handler(request, response);
  });
  const service = await listen(server, {});
  const result: TestRegistry = {
    host: service.host,
    registry,
    requests,
    faults: options.faults ?? [],
    connections: () => new Promise((resolve) => server.getConnections((_error, count) => resolve(count))),
    close: () => service.close(),
    [Symbol.asyncDispose]: () => service.close(),
  };
  return result;
}
