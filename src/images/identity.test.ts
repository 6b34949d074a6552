import { expect, test } from "vitest";
import { type Digest, decodeImage, digestOf } from "../spec/index.ts";
import { chainIDs, diffIDs } from "./index.ts";

test("a chainID identifies a layer with all layers below it, as the specification says", () => {
  const [base, middle, top] = ["a", "b", "c"].map((text) => digestOf(text)) as [Digest, Digest, Digest];
  // ChainID(L0) = DiffID(L0); ChainID(L0|...|Ln) = Digest(ChainID(L0|...|Ln-1) + " " + DiffID(Ln)).
  const two = digestOf(`${base} ${middle}`);
  const three = digestOf(`${two} ${top}`);
  expect(chainIDs([base, middle, top])).toEqual([base, two, three]);
  expect(chainIDs([])).toEqual([]);
  expect(chainIDs([top, middle])[1]).not.toBe(chainIDs([middle, top])[1]);
});

test("the chainID of a real image equals that of the specification's Go code", () => {
  const bytes = JSON.stringify({
    architecture: "amd64",
    os: "linux",
    rootfs: {
      type: "layers",
      diff_ids: [
        "sha256:bad4c2b21ac784690edb9fab9336c06f429523122db8258386b0816ea9ccff13",
        "sha256:541172e54f7a947125460b76b5788026aa93b9cfb6a9ee132159bd792fc5a213",
        "sha256:a0daea3da3a891e0907836e15387b107376b938918839afd555a93f56a04a437",
        "sha256:c21bfa4fc8f93fcf8cee7f410285c9b0830c39e581d122668f1bfac657d01539",
        "sha256:2f02d7c1705eec01163defce0c73bad60ef4696b9fd2e009bf64f15425e3cb9b",
        "sha256:56b9282b4ec2b115a530fb08958abc2dee400cebc1befbdc3d2a70ee8a7afc97",
      ],
    },
  });
  const layers = diffIDs(decodeImage(Buffer.from(bytes)));
  expect(layers).toHaveLength(6);
  expect(chainIDs(layers).at(-1)).toBe("sha256:b2defa2545685fad9251740b472ecc07e0334f652a973ec0f37bf55ba9917b70");
});
