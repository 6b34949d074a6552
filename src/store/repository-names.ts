import { parseRef, parseRepoName, type Reference, type RepoName } from "../reference/reference.ts";

/**
 * The name of an image's repository, with its host. A store has repositories of many hosts, and clients must be able to
 * ask for each of them. The grammar of repository names has no colons, so a port follows an underscore
 * (`127.0.0.1_5000/app`), and an IPv6 address is written in full with dashes (`ip6.0-0-0-0-0-0-0-1_5000/app`).
 */
export function repositoryOf(reference: Reference): RepoName {
  const { host, repository } = reference.normalize();
  const match = /^(?:\[(.+)\]|([^:]+))(?::(\d+))?$/.exec(host);
  const address = match?.[1] === undefined ? (match?.[2] ?? host) : `ip6.${expanded(match[1]).join("-")}`;
  return parseRepoName(`${address.toLowerCase()}${match?.[3] === undefined ? "" : `_${match[3]}`}/${repository}`);
}

/** The full name, without tag or digest, of a repository from {@link repositoryOf} or from a client. */
export function fullRepository(repo: RepoName): string {
  const [first = "", ...rest] = repo.split("/");
  const match = /^(?:ip6\.([0-9a-f]+(?:-[0-9a-f]+){7})|([a-z0-9.-]+))(?:_(\d+))?$/.exec(first);
  const port = match?.[3] === undefined ? "" : `:${match[3]}`;
  const address =
    match?.[1] === undefined ? (match?.[2] ?? first) : new URL(`http://[${match[1].replaceAll("-", ":")}]`).hostname;
  const host = rest.length > 0 ? `${address}${port}` : first;
  // `app` and `o/app` are repositories of Docker Hub, as in every reference.
  return parseRef(`${[host, ...rest].join("/")}:tag`)
    .toFullString()
    .slice(0, -":tag".length);
}

/** The eight groups of an IPv6 address. */
function expanded(address: string): string[] {
  const [head = "", tail] = address.split("::");
  const groups = (text: string): string[] => (text === "" ? [] : text.split(":"));
  const [first, last] = [groups(head), groups(tail ?? "")];
  const zeros = tail === undefined ? 0 : 8 - first.length - last.length;
  return [...first, ...Array.from({ length: zeros }, () => "0"), ...last];
}
