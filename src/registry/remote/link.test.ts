import { expect, test } from "vitest";
import { nextLink } from "./link.ts";

test("the link to the next page is found among other links, parameters and syntax errors", () => {
  const rows: [string, string | undefined][] = [
    ['</v2/_catalog?last=a&n=1>; rel="next"', "/v2/_catalog?last=a&n=1"],
    ["</x>; rel=next", "/x"],
    ['</x> ;title="a, <b>; rel=next" ; REL = "Prev NEXT"', "/x"],
    ['</a>; rel="prev", </b,c>; rel="next", </d>; rel="next"', "/b,c"],
    ['</x>; crossorigin; title="\\"next\\""; rel="next"; rel="prev"', "/x"],
    ["<>; rel=next", ""],
    ['</x>; title="rel=next"', undefined],
    ['</x>; rel="nexte"', undefined],
    ['</x>; rel="prev"; rel="next"', undefined],
    ["/x; rel=next", undefined],
    ["</x; rel=next", undefined],
    ['</x>; title="; rel=next', undefined],
    ["", undefined],
  ];
  for (const [header, next] of rows) expect([header, nextLink(header)]).toEqual([header, next]);
});
