import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { temporary } from "../../test/support/temporary.ts";
import { pushImage, rejects, startTestRegistry, testImage, testLayer } from "../testing/index.ts";
import { copy, inspect, type Location, parseLocation, pull, push, resolve, tags, unpack } from "./index.ts";
import { parseStoreLocation } from "./location.ts";

describe("parseLocation", () => {
  test.each(["alpine:3.20", "docker://alpine:3.20", "docker://docker.io/library/alpine:3.20"])(
    "%s is in a registry",
    (text) => {
      const location = parseLocation(text);
      expect(location).toMatchObject({ kind: "registry", text });
      expect(String(location.reference)).toBe("alpine:3.20");
    },
  );

  test("oci:DIR:x is an image, or a repository with names: repository", async () => {
    const directory = join(await temporary(), "layout");
    const text = `oci:${directory}:x`;
    const image: Location = { kind: "layout", text, directory, repo: undefined, reference: "x" as never };
    expect(parseLocation(text)).toEqual(image);
    expect(parseLocation(text, { names: "image" })).toEqual(image);
    expect(parseLocation(text, { names: "repository" })).toMatchObject({ repo: "x", reference: undefined });
  });

  test("store:NAME takes any name, and says why one is not a reference", () => {
    expect(parseLocation("store:alpine")).toMatchObject({ kind: "store", name: "alpine", fault: undefined });
    expect(parseLocation("store:My Backup")).toMatchObject({
      kind: "store",
      name: "My Backup",
      reference: undefined,
      fault: expect.stringContaining("not an image reference"),
    });
  });

  test.each(["store:app", "docker://app", "app"])(
    "%s is the image app where only images of the store are meant",
    (text) => {
      expect(parseStoreLocation(text)).toMatchObject({ kind: "store", text, name: "app" });
    },
  );

  test.each([
    ["app/UPPER", "INVALID_REFERENCE"],
    ["app@sha256:short", "INVALID_REFERENCE"],
    ["docker://", "INVALID_REFERENCE"],
    ["", "INVALID_REFERENCE"],
    ["oci:", "INVALID_REFERENCE"],
    ["oci::v1", "INVALID_REFERENCE"],
    ["oci:new@sha256:short", "INVALID_REFERENCE"],
    ["oci-archive:file", "UNSUPPORTED"],
    ["docker-daemon:app", "UNSUPPORTED"],
  ] as const)("%j is %s", async (text, code) => {
    await rejects(async () => parseLocation(text), code);
  });
});

test("every verb takes a location that is parsed already", async () => {
  await using server = await startTestRegistry();
  const image = testImage([testLayer([{ name: "file", data: "x" }])]);
  await pushImage(server.registry, "app", image, "v1");
  const work = await temporary();
  const options = { store: join(work, "store") };
  const remote = parseLocation(`${server.host}/app:v1`);
  const stored = parseLocation(`store:${server.host}/app:v1`);
  const layout = parseLocation(`oci:${work}/layout:v1`);
  await pull(remote, options);
  await copy(stored, layout, options);
  await push(stored, parseLocation(`${server.host}/copy:v2`), options);
  // A location in a registry names the image that a pull of it has put into the store.
  await push(remote, parseLocation(`${server.host}/copy:v3`), options);
  for (const location of [remote, stored, layout]) {
    expect((await resolve(location, options)).digest).toBe(image.descriptor.digest);
    expect((await inspect(location, options)).name).toBe(location.text);
    await unpack(location, join(work, `rootfs-${location.kind}`), options);
  }
  const found: string[] = [];
  for await (const tag of tags(parseLocation(`${server.host}/copy`))) found.push(tag);
  expect(found).toEqual(["v2", "v3"]);
  await rejects(pull(stored, options), "USAGE");
  await rejects(push(layout, remote, options), "USAGE");
  await rejects(push(stored, layout, options), "USAGE");
});
