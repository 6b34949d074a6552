// node examples/mirror.mjs HOST: a proxy for a registry. A client is a Registry, and a server serves one.
import { RemoteRegistry } from "gantry/registry";
import { serve } from "gantry/server";

const [host] = process.argv.slice(2);
const upstream = new RemoteRegistry(host);
const service = await serve(upstream, { onError: console.error });
console.log(service.host);
process.once("SIGTERM", async () => {
  await service.close();
  await upstream.close();
});
