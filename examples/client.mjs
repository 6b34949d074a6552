// node examples/client.mjs REF: digest, tags, endpoints and quota, through the client that this process shares.
import { explain, rateLimit, sortNames } from "gantry";
import { userCredentials, userHosts } from "gantry/config";
import { parseRef } from "gantry/reference";
import { client } from "gantry/registry";
import { lookup } from "gantry/transfer";

const reference = parseRef(process.argv[2]);
const options = { credentials: userCredentials(), routes: userHosts() };
const registry = client(reference.host, options); // with mirrors, cache and limiter
const why = (reason) => console.log(`missing or denied: ${reason.message}`);
const found = await lookup(registry, reference, { head: true, onAbsent: why });
console.log(found?.descriptor.digest ?? "absent");
const tags = [];
for await (const tag of registry.tags(reference.repository)) tags.push(tag);
console.log((await sortNames(tags, "semver")).join(" "));
const { endpoints } = await explain(String(reference), { registry: options }); // asks no registry on another machine
console.log(endpoints.map(({ role, url }) => `${role} ${url}`).join(", "));
console.log(await rateLimit(String(reference), { registry: options }));
await registry.close();
