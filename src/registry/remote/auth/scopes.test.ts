import { expect, test } from "vitest";
import { mergeScopes } from "./scopes.ts";

test("scopes are merged: those of the challenge, those of the request, and the repository that a mount reads", () => {
  const rows: [string | undefined, string, string][] = [
    [undefined, "repository:a:pull", "repository:a:pull"],
    ["repository:a:pull", "repository:a:pull,push", "repository:a:pull,push"],
    ["repository:a:pull,push repository:b:pull", "repository:a:pull", "repository:a:pull,push repository:b:pull"],
    ["repository:prefix/a:pull", "repository:a:pull", "repository:prefix/a:pull"],
    ["repository:a:pull,push", "repository:a:pull,push repository:b:pull", "repository:a:pull,push repository:b:pull"],
    ["registry:catalog:*", "registry:catalog:*", "registry:catalog:*"],
    ["", "", ""],
    ["aws", "repository:docker/library/alpine:pull", "aws"],
    ["repository:a:pull", "", "repository:a:pull"],
  ];
  for (const [challenged, wanted, merged] of rows) expect(mergeScopes(challenged, wanted)).toBe(merged);
});
