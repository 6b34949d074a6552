import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { ask } from "../../test/support/raw.ts";
import { temporary } from "../../test/support/temporary.ts";
import { parseRepoName } from "../reference/reference.ts";
import { LayoutRegistry } from "../registry/layout/layout.ts";
import { MemoryRegistry } from "../registry/memory/memory.ts";
import { unsupported } from "../registry/refusals.ts";
import { RemoteRegistry } from "../registry/remote/remote.ts";
import { digestOf } from "../spec/digest.ts";
import { mediaTypes } from "../spec/media-types.ts";
import type { Descriptor } from "../spec/types.ts";
import { pushImage, randomImage, startTestRegistry, testIndex } from "../testing/index.ts";

const absent = digestOf(Buffer.from("absent"));

describe("a registry before the first push", () => {
  test.each(["memory", "layout"])("answers with empty lists (%s)", async (kind) => {
    const directory = join(await temporary(), "absent");
    const registry = kind === "memory" ? new MemoryRegistry() : new LayoutRegistry(directory, { create: true });
    await using server = await startTestRegistry({ registry });
    const empty = { schemaVersion: 2, mediaType: mediaTypes.index, manifests: [] };
    const json = async (path: string): Promise<unknown> => {
      const { status, body } = await ask(server, "GET", path);
      return [status, JSON.parse(body)];
    };
    expect(await json("/v2/")).toEqual([200, {}]);
    expect(await json("/v2/_catalog")).toEqual([200, { repositories: [] }]);
    expect(await json(`/v2/app/referrers/${absent}`)).toEqual([200, empty]);
    expect(await json(`/v2/app/referrers/${absent}?artifactType=a%2Fb`)).toEqual([200, empty]);
    expect((await ask(server, "GET", "/v2/app/tags/list")).status).toBe(404);
    expect((await ask(server, "GET", "/v2/app/referrers/sha256:short")).status).toBe(400);
    await pushImage(registry, "app", randomImage(), "v1");
    expect(await json(`/v2/app/referrers/${absent}`)).toEqual([200, empty]);
    expect(await json(`/v2/none/referrers/${absent}`)).toEqual([200, empty]);
    await registry.close();
  });
});

describe("a registry that keeps no list of referrers", () => {
  class WithoutReferrers extends MemoryRegistry {
    // biome-ignore lint/correctness/useYield: it keeps none
    override async *referrers(): AsyncGenerator<Descriptor> {
      throw unsupported(this.name, "listing referrers");
    }
  }

  test("is served so that clients keep the list under a tag", async () => {
    await using server = await startTestRegistry({ registry: new WithoutReferrers() });
    const descriptor = await pushImage(server.registry, "app", randomImage(), "v1");
    const { platform: _platform, ...subject } = descriptor;
    const index = JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.index, manifests: [], subject });
    for (const tag of ["a", "b"]) {
      const headers = { "content-type": mediaTypes.index };
      const answer = await ask(server, "PUT", `/v2/app/manifests/${tag}`, { body: index, headers });
      expect([answer.status, answer.headers["oci-subject"]]).toEqual([201, undefined]);
    }
    expect((await ask(server, "GET", `/v2/app/referrers/${subject.digest}`)).status).toBe(404);
    const fallback = testIndex([randomImage({ seed: 4 })]);
    await pushImage(server.registry, parseRepoName("app"), fallback, subject.digest.replace(":", "-"));
    const client = new RemoteRegistry(server.host, { insecure: true });
    const found: string[] = [];
    for await (const entry of client.referrers(parseRepoName("app"), subject.digest)) found.push(entry.digest);
    expect(found).toEqual([fallback.documents[0]!.descriptor.digest]);
    await client.close();
  });
});
