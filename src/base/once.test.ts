import { expect, test } from "vitest";
import { withoutUndefined } from "./defined.ts";
import { Once } from "./once.ts";

test("Once makes its value at the first call and keeps it", async () => {
  let made = 0;
  const once = new Once(async () => {
    made += 1;
    return made;
  });
  expect(once.value).toBeUndefined();
  const [first, second] = [once.get(), once.get()];
  expect(second).toBe(first);
  expect(once.value).toBe(first);
  expect(await first).toBe(1);
  expect(await once.get()).toBe(1);
  once.reset();
  expect(once.value).toBeUndefined();
  expect(await once.get()).toBe(2);
});

test("Once reports a failure to all waiting calls, and the next call makes the value again", async () => {
  let tries = 0;
  const once = new Once(async () => {
    tries += 1;
    if (tries === 1) throw new Error("not yet");
    return tries;
  });
  const failed = await Promise.allSettled([once.get(), once.get()]);
  expect(failed.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
  expect(tries).toBe(1);
  expect(once.value).toBeUndefined();
  expect(await once.get()).toBe(2);
});

test("Once does not forget a new value when an old one fails after a reset", async () => {
  const outcomes: ((error?: Error) => void)[] = [];
  const once = new Once(
    () =>
      new Promise<void>((resolve, reject) =>
        outcomes.push((error) => (error === undefined ? resolve() : reject(error))),
      ),
  );
  const old = once.get();
  once.reset();
  const fresh = once.get();
  outcomes[0]!(new Error("too late"));
  await expect(old).rejects.toThrow("too late");
  expect(once.get()).toBe(fresh);
  outcomes[1]!();
  await fresh;
});

test("withoutUndefined drops undefined fields and no others", () => {
  const given = { a: undefined, b: null, c: 0, d: "", e: { f: undefined } };
  const copy = withoutUndefined(given);
  expect(Object.keys(copy)).toEqual(["b", "c", "d", "e"]);
  expect(copy.e).toBe(given.e);
  expect(Object.keys(given)).toContain("a");
});
