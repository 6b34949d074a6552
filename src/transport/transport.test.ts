import { channel } from "node:diagnostics_channel";
import { afterEach, describe, expect, test, vi } from "vitest";
import { answer, listening, tunnels } from "../../test/support/http.ts";
import { rejects } from "../testing/index.ts";
import type { HttpRequest } from "./message.ts";
import { proxyFor } from "./proxy.ts";
import { RateLimiter } from "./rate.ts";
import { redactText } from "./redact.ts";
import { Transport, type TransportOptions } from "./transport.ts";

/** Answers with one status after the other, and from then on with the last one. */
async function script(...statuses: (number | [number, Record<string, string>])[]) {
  let at = 0;
  return listening((request, response) => {
    request.resume().on("end", () => {
      const next = statuses[Math.min(at, statuses.length - 1)]!;
      at += 1;
      const [status, headers] = typeof next === "number" ? [next, {}] : next;
      answer(response, status, "", headers);
    });
  });
}

async function send(host: string, options: TransportOptions, request: Partial<HttpRequest> = {}): Promise<number> {
  const transport = new Transport({ backoff: 1, ...options });
  try {
    const response = await transport.send({ method: "GET", url: new URL(`http://${host}/x`), ...request });
    await response.discard();
    return response.status;
  } finally {
    await transport.close();
  }
}

afterEach(() => vi.useRealTimers());

describe("requests that are retried", () => {
  test.each([408, 425, 429, 500, 502, 503, 504])("a GET that is answered %i is tried three times", async (status) => {
    const server = await script(status);
    expect(await send(server.host, {})).toBe(status);
    expect(server.seen.length).toBe(3);
    const better = await script(status, 200);
    expect(await send(better.host, {})).toBe(200);
  });

  test.each([400, 401, 403, 404, 409, 410, 501])("a GET that is answered %i is tried once", async (status) => {
    const server = await script(status);
    expect(await send(server.host, {})).toBe(status);
    expect(server.seen.length).toBe(1);
  });

  test("a POST is retried only if it is repeatable, or after a 429, when the server did not act on it", async () => {
    const body = Buffer.from("x");
    const server = await script(500);
    expect(await send(server.host, {}, { method: "POST", body })).toBe(500);
    expect(server.seen.length).toBe(1);
    const harmless = await script(500, 202);
    expect(await send(harmless.host, {}, { method: "POST", body, repeatable: true })).toBe(202);
    const busy = await script([429, { "retry-after": "0" }], 202);
    expect(await send(busy.host, {}, { method: "POST", body })).toBe(202);
  });

  test("a body that cannot be replayed is never sent twice", async () => {
    const server = await script([429, { "retry-after": "0" }], 201);
    let pumped = 0;
    const body = {
      size: 1,
      async pump(write: (chunk: Uint8Array) => void | Promise<void>) {
        pumped += 1;
        await write(Buffer.from("x"));
      },
    };
    expect(await send(server.host, {}, { method: "PUT", body })).toBe(429);
    expect([server.seen.length, pumped]).toEqual([1, 1]);
  });

  test("a request whose connection breaks is tried three times", async () => {
    let times = 0;
    const server = await listening((request, response) => {
      times += 1;
      if (times < 3) request.socket.resetAndDestroy();
      else answer(response, 200);
    });
    expect(await send(server.host, {})).toBe(200);
    expect(times).toBe(3);
    const dead = await listening((request) => request.socket.resetAndDestroy());
    await rejects(send(dead.host, {}), "CONNECTION_FAILED");
    expect(dead.seen.length).toBe(3);
  });
});

describe("Retry-After", () => {
  /** The final status or error code, and the warnings. */
  async function waits(
    header: string,
    options: TransportOptions = {},
  ): Promise<{ status: number | string; said: string[] }> {
    const said: string[] = [];
    const server = await script([429, { "retry-after": header }], 200);
    const status = await send(server.host, {
      ...options,
      progress: (event) => void (event.type === "message" && said.push(event.text)),
    }).catch((error: { code: string }) => error.code);
    return { status, said };
  }

  test("decides the wait, in seconds or until a date, and a warning tells the wait", async () => {
    const seconds = await waits("1");
    expect([seconds.status, seconds.said.some((text) => text.includes("answered 429; retrying in 1.0 s"))]).toEqual([
      200,
      true,
    ]);
    const date = await waits(new Date(Date.now() + 2000).toUTCString());
    expect(date.status).toBe(200);
    expect(date.said.some((text) => /answered 429; retrying in [01]\.\d s/.test(text))).toBe(true);
    expect((await waits("soon")).status).toBe(200);
  });

  test("is bounded: a wait that is too long fails at once, and so does a Unix time", async () => {
    expect((await waits("121")).status).toBe("TOO_MANY_REQUESTS");
    expect((await waits(String(Math.floor(Date.now() / 1000)))).status).toBe("TOO_MANY_REQUESTS");
    expect((await waits("2", { maxRetryAfter: 1_000 })).status).toBe("TOO_MANY_REQUESTS");
  });
});

describe("the limiter", () => {
  test("lets a burst pass, then the rate per minute, in the order of asking", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
    const limiter = new RateLimiter({ perMinute: 300, burst: 300 });
    const passed: number[] = [];
    const all = Promise.all(Array.from({ length: 310 }, (_, at) => limiter.take(() => {}).then(() => passed.push(at))));
    await vi.advanceTimersByTimeAsync(0);
    expect(passed.length).toBe(300);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(passed.length).toBe(305);
    await vi.advanceTimersByTimeAsync(1_100);
    await all;
    expect(passed).toEqual(Array.from({ length: 310 }, (_, at) => at));
  });

  test("gives no permit after a 429, for as long as the server asks", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
    const limiter = new RateLimiter({ perMinute: 300, burst: 300 });
    limiter.drain(5_000);
    const told: number[] = [];
    let passed = false;
    const taken = limiter
      .take((ms) => told.push(ms))
      .then(() => {
        passed = true;
      });
    await vi.advanceTimersByTimeAsync(4_900);
    expect(passed).toBe(false);
    await vi.advanceTimersByTimeAsync(200);
    await taken;
    expect(told[0]).toBe(5_000);
  });

  test("a caller that stops waiting does not hold up the next one", async () => {
    const limiter = new RateLimiter({ perMinute: 60_000, burst: 1 });
    limiter.drain(50);
    const stop = new AbortController();
    const first = limiter.take(() => {}, stop.signal);
    const second = limiter.take(() => {});
    stop.abort(new Error("enough"));
    await expect(first).rejects.toThrow("enough");
    await second;
  });

  test("a queued caller that gives up fails at once, and takes no permit", async () => {
    const limiter = new RateLimiter({ perMinute: 60_000, burst: 1 });
    limiter.drain(100_000);
    void limiter.take(() => {}).catch(() => {});
    const stop = new AbortController();
    const waiting = limiter.take(() => {}, stop.signal);
    stop.abort(new Error("enough"));
    await expect(waiting).rejects.toThrow("enough");
  });

  test("a 429 holds back the other requests to the registry, with a warning", async () => {
    const said: string[] = [];
    const server = await script([429, { "retry-after": "2" }], 200);
    const transport = new Transport({ progress: (event) => void (event.type === "message" && said.push(event.text)) });
    const url = new URL(`http://${server.host}/x`);
    const first = transport.send({ method: "GET", url });
    await vi.waitFor(() => expect(said.length).toBe(1));
    const second = transport.send({ method: "GET", url });
    for (const response of await Promise.all([first, second])) {
      expect(response.status).toBe(200);
      await response.discard();
    }
    expect(said.some((text) => /takes no more requests now; waiting/.test(text))).toBe(true);
    await transport.close();
  });
});

describe("diagnostics and messages", () => {
  test("a subscriber gets a message for each request, without secrets", async () => {
    const heard: unknown[] = [];
    const listen = (message: unknown): void => void heard.push(message);
    channel("gantry:request").subscribe(listen);
    const server = await script(200);
    await send(server.host, {}, { url: new URL(`http://me:pw@${server.host}/x?token=secret`) });
    channel("gantry:request").unsubscribe(listen);
    expect(heard).toEqual([
      { method: "GET", url: `http://${server.host}/x?token=***`, status: 200, ms: expect.any(Number) },
    ]);
  });

  test("texts of servers lose their secrets, and nothing else", () => {
    const rows: [string, string][] = [
      ["Bearer abc.def", "Bearer ***"],
      ['{"access_token":"abc", "n":1}', '{"access_token":***, "n":1}'],
      ["see https://u:p@h/p?sig=1&x=2", "see https://h/p?sig=***&x=***"],
      [
        "http://h/x?n=10&last=v1.0&from=a/b&digest=sha256:0a&mount=sha256:0b&ns=docker.io:443&last=%1b&to=b",
        "http://h/x?n=10&last=v1.0&from=a/b&digest=sha256:0a&mount=sha256:0b&ns=docker.io:443&last=***&to=***",
      ],
      ["password=hunter2; next", "password=***; next"],
      ["http://h/v2/app/blobs/uploads/the-key?x=1", "http://h/v2/app/blobs/uploads/***?x=***"],
      ["x-api-key: abc", "x-api-key: ***"],
      ["the tag v1 of library/app is unknown", "the tag v1 of library/app is unknown"],
      ["authentication required", "authentication required"],
    ];
    for (const [text, shown] of rows) expect(redactText(text)).toBe(shown);
  });
});

describe("proxies", () => {
  const rows: [string, string, string | undefined][] = [
    ["https://reg.example/", "", "proxy:1"],
    ["https://reg.example/", "reg.example", undefined],
    ["https://a.reg.example/", "reg.example", undefined],
    ["https://areg.example/", "reg.example", "proxy:1"],
    ["https://reg.example/", ".reg.example", "proxy:1"],
    ["https://a.reg.example/", ".reg.example", undefined],
    ["https://a.reg.example/", "*.reg.example", undefined],
    ["https://reg.example:5000/", "reg.example:443", "proxy:1"],
    ["https://reg.example/", "reg.example:443", undefined],
    ["https://10.1.2.3/", "10.0.0.0/8", undefined],
    ["https://11.1.2.3/", "10.0.0.0/8 , other", "proxy:1"],
    ["https://[fd00::1]/", "fd00::/8", undefined],
    ["https://reg.example/", "*", undefined],
    ["https://localhost/", "", undefined],
    ["https://127.0.0.1/", "", undefined],
    ["http://reg.example/", "", undefined],
  ];
  test.each(rows)("%s with NO_PROXY=%s goes by %s", (url, none, proxy) => {
    const env = { HTTPS_PROXY: "http://me:pw@proxy:1", NO_PROXY: none };
    expect(proxyFor(new URL(url), env)?.host).toBe(proxy);
    expect(proxyFor(new URL(url), { https_proxy: "proxy:1", no_proxy: none })?.host).toBe(proxy);
  });

  test("a value that is not the address of a proxy is an error, which does not show it", () => {
    for (const value of ["socks5://me:secret@x", "http://"]) {
      const bad = (): unknown => proxyFor(new URL("https://a.example"), { HTTPS_PROXY: value });
      expect(bad).toThrow(expect.objectContaining({ code: "CONFIG_INVALID" }));
      expect(bad).not.toThrow(/secret/);
    }
  });

  test("the answer of a proxy to CONNECT is not taken for an answer of the registry", async () => {
    const proxy = await listening((_request, response) => answer(response, 500));
    proxy.server.on("connect", (_request, socket: import("node:net").Socket) => {
      socket.end(
        'HTTP/1.1 401 No\r\nwww-authenticate: Bearer realm="https://evil.example/"\r\ncontent-length: 0\r\n\r\n',
      );
    });
    const asked = send(
      "reg.example",
      { proxy: () => new URL(`http://${proxy.host}`), attempts: 1 },
      { url: new URL("https://reg.example/v2/") },
    );
    await rejects(asked, "CONNECTION_FAILED");
    await expect(asked).rejects.toThrow("401 to CONNECT");
  });

  test("the home host may be written with its default port", async () => {
    const proxy = await listening((_request, response) => answer(response, 200));
    const options = { headers: { "x-own": "1" }, proxy: () => new URL(`http://${proxy.host}`) };
    const asks: [string, string][] = [
      ["reg.example:80", "http://reg.example/x"],
      ["reg.example", "http://reg.example:80/x"],
      ["reg.example:81", "http://reg.example/x"],
    ];
    for (const [home, url] of asks) await send("x", { ...options, home }, { url: new URL(url) });
    expect(proxy.seen.map(({ headers }) => headers["x-own"])).toEqual(["1", "1", undefined]);
  });

  test("credentials for the proxy go to the proxy alone", async () => {
    const proxy = await tunnels();
    await rejects(
      send(
        "x",
        { proxy: () => new URL(`http://me:pw@${proxy.host}`), attempts: 1 },
        { url: new URL(`https://reg.example:${proxy.port}/v2/`) },
      ),
      "TLS_FAILED",
      "CONNECTION_FAILED",
    );
    expect(proxy.connects[0]).toMatchObject({
      target: `reg.example:${proxy.port}`,
      headers: { "proxy-authorization": `Basic ${Buffer.from("me:pw").toString("base64")}` },
    });
    const plain = await listening((_request, response) => answer(response, 200));
    expect(await send("reg.example", { proxy: () => new URL(`http://${plain.host}`) })).toBe(200);
    expect(plain.seen[0]!.url).toBe("http://reg.example/x");
  });
});
