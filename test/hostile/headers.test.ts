import { createServer, type Socket } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import { parseRepoName, parseTag } from "../../src/reference/index.ts";
import { RemoteRegistry } from "../../src/registry/index.ts";
import { parseChallenges } from "../../src/registry/remote/auth/challenge.ts";
import { mergeScopes } from "../../src/registry/remote/auth/scopes.ts";
import { parseContentRange } from "../../src/registry/remote/content-range.ts";
import { nextLink } from "../../src/registry/remote/link.ts";
import { rejects } from "../../src/testing/index.ts";
import { redactText } from "../../src/transport/redact.ts";
import { Secrets } from "../../src/transport/secrets.ts";
import { answer, listening } from "../support/http.ts";
import { tagsOf } from "../support/tokens.ts";

/** As long as all headers of an answer together may be. */
const LARGE = 64 << 10;

/** Milliseconds of work, the least of two tries: what else this machine does only adds to it. */
function cost(work: (text: string) => unknown, text: string, times: number): number {
  let least = Number.POSITIVE_INFINITY;
  for (let round = 0; round < 2; round += 1) {
    const started = performance.now();
    for (let count = 0; count < times; count += 1) work(text);
    least = Math.min(least, performance.now() - started);
  }
  return least;
}

describe("hostile headers", () => {
  test("N16 reading Link, WWW-Authenticate, Content-Range and errors costs as much as they are long; interim answers end", {
    timeout: 240_000,
  }, async () => {
    const secrets = new Secrets();
    secrets.add("hunter2-s3cret");
    const pieces = [
      ...["<", ">", ";", ",", "=", '"', "\\", " ", "\t", "/", "%", "%25", "-", "1", "a", "a ", "a,", "a=", "a:", "a_"],
      ...[
        "<>",
        "<a>,",
        "<a>;",
        "<a>; ",
        '<a>;b="',
        '<a>;b="\\',
        "<a>;rel=next,",
        '";a="',
        "a=a,",
        'a="',
        'a="\\',
        '\\"',
      ],
      ...[
        "bytes 1-",
        "1/1",
        "basic ",
        'token="',
        "token=",
        "token",
        "http://",
        "https://a?b=",
        "/blobs/uploads/",
        "hunter2",
      ],
    ];
    const starts = [
      "",
      "<",
      '<a>; b="',
      "Bearer ",
      'Bearer a="',
      "bytes 1-1/",
      "basic ",
      "token",
      'token="',
      "http://",
    ];
    const readers: Readonly<Record<string, (text: string) => unknown>> = {
      nextLink,
      parseChallenges,
      parseContentRange,
      redactText,
      hide: (text) => secrets.hide(text),
    };
    const compare = (what: string, read: (text: string) => unknown, text: (length: number) => string): void => {
      const [small, large] = [text(LARGE / 16), text(LARGE)];
      // Where it is over at once there is nothing to compare: what is quadratic takes hundreds of milliseconds.
      if (cost(read, large, 1) < 4) return;
      // Sixteen short ones are as much to read as a long one. Were it quadratic, they would cost a sixteenth, each time.
      const ratios = [1, 2, 3].map(() => cost(read, large, 1) / cost(read, small, 16));
      expect(Math.min(...ratios), what).toBeLessThan(6);
    };
    for (const [name, read] of Object.entries(readers)) {
      for (const start of starts) {
        for (const piece of pieces) {
          const text = (length: number): string => (start + piece.repeat(length / piece.length)).slice(0, length);
          compare(`${name} of ${start}${piece}${piece}...`, read, text);
        }
      }
    }
    compare(
      "a challenge with 15,000 scopes",
      (scopes) => mergeScopes(scopes, "repository:app:pull"),
      (length) => Array.from({ length: length / 4 }, (_, at) => at.toString(36).padStart(3, "0")).join(" "),
    );

    // The same by way of a registry.
    const server = await listening((request, response) => {
      if (request.url === "/v2/") answer(response, 200, {});
      else answer(response, 200, { tags: ["a"] }, { link: "<".repeat(60_000) });
    });
    const registry = new RemoteRegistry(server.host);
    expect(await tagsOf(registry)).toEqual(["a"]);
    await registry.close();

    // A flood of answers before the answer is cut, once, however long the peer goes on.
    let floods = 0;
    let sent = 0;
    const flood = createServer((socket: Socket) => {
      const interim = Buffer.from("HTTP/1.1 103 Early Hints\r\nlink: </a>; rel=preload\r\n\r\n".repeat(100));
      const more = (): void => {
        while (!socket.destroyed && socket.write(interim)) sent += interim.length;
      };
      socket.on("error", () => {}).on("drain", more);
      socket.once("data", (request) => {
        if (/^GET \/v2\/ /.test(String(request))) {
          return void socket.end("HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        }
        floods += 1;
        more();
      });
    });
    await new Promise<void>((resolve) => flood.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => void flood.close());
    const { port } = flood.address() as { port: number };
    const flooded = new RemoteRegistry(`127.0.0.1:${port}`, { backoff: 1, headerTimeout: 5_000 });
    await rejects(flooded.getManifest(parseRepoName("app"), parseTag("v1")), "INVALID_RESPONSE");
    await flooded.close();
    expect(floods).toBe(1);
    // No more than what the kernel takes on its own.
    expect(sent).toBeLessThan(64 << 20);
  });
});
