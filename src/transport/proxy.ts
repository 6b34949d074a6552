import { BlockList, isIP } from "node:net";
import { GantryError } from "../base/error.ts";
import { isLoopback } from "./addresses.ts";

/**
 * The proxy for a URL, by HTTP_PROXY, HTTPS_PROXY and NO_PROXY (or their names in lower case), with the rules of Go and
 * curl. In NO_PROXY, `name` excludes the name and its subdomains, `.name` only its subdomains, an address or a CIDR block
 * these addresses, and `*` every host; `:PORT` limits an entry to a port. Loopback hosts are never reached by a proxy.
 * @throws CONFIG_INVALID for a proxy that is not an http or https URL
 */
export function proxyFor(url: URL, env: NodeJS.ProcessEnv = process.env): URL | undefined {
  const read = (name: string): string => env[name.toLowerCase()] || env[name] || "";
  const secure = url.protocol === "https:";
  const variable = secure ? "HTTPS_PROXY" : "HTTP_PROXY";
  const value = read(variable);
  if (value === "" || isLoopback(url.hostname)) return undefined;
  const port = url.port || (secure ? "443" : "80");
  if (
    read("NO_PROXY")
      .split(/[,\s]+/)
      .some((rule) => rule !== "" && matches(rule.toLowerCase(), url.hostname, port))
  ) {
    return undefined;
  }
  const text = value.includes("://") ? value : `http://${value}`;
  const proxy = URL.canParse(text) ? new URL(text) : undefined;
  if (proxy && /^https?:$/.test(proxy.protocol) && proxy.hostname !== "") return proxy;
  // Without the value, which may hold a password.
  throw new GantryError(
    "CONFIG_INVALID",
    `${variable} must be the http or https URL of a proxy, as in http://proxy:3128`,
  );
}

function matches(rule: string, hostname: string, port: string): boolean {
  if (rule === "*") return true;
  const host = hostname.replace(/^\[|\]$/g, "");
  const withPort = /^(\[[^\]]*\]|[^:]+):(\d+)$/.exec(rule);
  if (withPort && withPort[2] !== port) return false;
  const name = (withPort?.[1] ?? rule).replace(/^\[|\]$/g, "");
  const block = /^(.+)\/(\d+)$/.exec(name);
  const family = isIP(host);
  if (block || isIP(name) !== 0) {
    const base = block?.[1] ?? name;
    const bits = block ? Number(block[2]) : isIP(base) === 4 ? 32 : 128;
    if (family === 0 || isIP(base) !== family || bits > (family === 4 ? 32 : 128)) return false;
    const type = family === 4 ? "ipv4" : "ipv6";
    const list = new BlockList();
    list.addSubnet(base, bits, type);
    return list.check(host, type);
  }
  if (family !== 0) return false;
  const suffix = name.replace(/^\*?\./, ".");
  return suffix.startsWith(".") ? host.endsWith(suffix) : host === suffix || host.endsWith(`.${suffix}`);
}
