import { expect, test } from "vitest";
import { skipping } from "./skip.ts";

/** The chunks that arrive after `count` bytes were skipped. */
function pass(count: number, chunks: readonly string[]): string[] {
  const arrived: string[] = [];
  const write = skipping(count, (chunk) => void arrived.push(Buffer.from(chunk).toString()));
  for (const chunk of chunks) write(Buffer.from(chunk));
  return arrived;
}

test.each([
  [0, ["abc", "def"]],
  [2, ["c", "def"]],
  [3, ["def"]],
  [4, ["ef"]],
  [6, []],
  [100, []],
])("skipping %i bytes, also across chunks", (count, arrived) => {
  expect(pass(count, ["abc", "def"])).toEqual(arrived);
});

test("skipping returns the promise of its writer", async () => {
  let finish = (): void => {};
  const written = skipping(1, () => new Promise<void>((resolve) => (finish = resolve)));
  expect(written(Buffer.from("a"))).toBeUndefined();
  const waiting = written(Buffer.from("b"));
  expect(waiting).toBeInstanceOf(Promise);
  finish();
  await waiting;
});
