import { expect, test } from "vitest";
import { parseRef, parseRepoName } from "../reference/index.ts";
import { fullRepository, repositoryOf } from "./repository-names.ts";

test.each([
  ["alpine", "docker.io/library/alpine", "docker.io/library/alpine"],
  ["ghcr.io/o/r", "ghcr.io/o/r", "ghcr.io/o/r"],
  ["127.0.0.1:5000/app", "127.0.0.1_5000/app", "127.0.0.1:5000/app"],
  ["localhost:5000/a/b", "localhost_5000/a/b", "localhost:5000/a/b"],
  ["registry.example:8443/a", "registry.example_8443/a", "registry.example:8443/a"],
  ["[::1]:5000/app", "ip6.0-0-0-0-0-0-0-1_5000/app", "[::1]:5000/app"],
  ["[fd00::a:1]/app", "ip6.fd00-0-0-0-0-0-a-1/app", "[fd00::a:1]/app"],
])("%s is the repository %s of a store, and back", (name, repository, full) => {
  expect(repositoryOf(parseRef(name))).toBe(repository);
  expect(fullRepository(parseRepoName(repository))).toBe(full);
});

test("a name without a host is on Docker Hub, as everywhere else", () => {
  expect(fullRepository(parseRepoName("app"))).toBe("docker.io/library/app");
  expect(fullRepository(parseRepoName("o/app"))).toBe("docker.io/o/app");
});
