// The client against a server that misbehaves: what is not exactly the right answer is a failure
// with a name. The server runs in the test's own thread, on the loopback of its namespace.
import { closeSync } from "node:fs";
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeAll, beforeEach, afterAll, describe, expect, it } from "vitest";
import type { NamespaceRef } from "../../src/host/types.js";
import { AnswerContent } from "../../src/load/http-content.js";
import { startHttpClient } from "../../src/load/linux.js";
import type { HttpLoadResult, HttpLoadSpec } from "../../src/load/types.js";
import { failures, NOWHERE_SPEC } from "./specs.js";
import { cannot, LINUX, needs, ownNamespace } from "./two-hosts.js";

const BODY_BYTES = 1000;

describe.skipIf(cannot)(`an HTTP client against a bad server${needs}`, () => {
  let own: NamespaceRef;
  let server: Server;
  let answer: RequestListener;

  beforeAll(() => {
    own = ownNamespace();
  });
  afterAll(() => closeSync(own.handle));

  beforeEach(async () => {
    server = createServer((request, response) => answer(request, response));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  });

  afterEach(() => {
    server.close();
    server.closeAllConnections();
  });

  function start(more: Partial<HttpLoadSpec>): Promise<HttpLoadResult> {
    const { port } = server.address() as AddressInfo;
    const to = { client: own, serverAddress: "127.0.0.1", serverPort: port };
    const spec = { ...NOWHERE_SPEC, ...to, bodyBytes: BODY_BYTES, requests: 3, ...more };
    return startHttpClient(LINUX, spec).done;
  }

  function rightBody(path: string | undefined): Buffer {
    return new AnswerContent(BODY_BYTES).body(Number((path ?? "").split("/")[1]));
  }

  it("takes the right answer for right", async () => {
    answer = (request, response) => response.end(rightBody(request.url));
    expect(await start({})).toMatchObject({ sent: 3, ok: 3, failed: {} });
  });

  it("notices one wrong byte", async () => {
    answer = (request, response) => {
      const body = rightBody(request.url);
      body[777]! ^= 1;
      response.end(body);
    };
    expect(await start({})).toMatchObject({ ok: 0, failed: { "response wrong content": 3 } });
  });

  it("notices the answer to another request", async () => {
    answer = (_request, response) => response.end(rightBody("/1/"));
    expect(await start({})).toMatchObject({ ok: 1, failed: { "response wrong content": 2 } });
  });

  it("notices an answer that is too short, and one that is too long", async () => {
    answer = (request, response) => response.end(rightBody(request.url).subarray(0, -1));
    expect(await start({})).toMatchObject({ ok: 0, failed: { "response wrong length": 3 } });
    answer = (request, response) => {
      response.end(Buffer.concat([rightBody(request.url), Buffer.from("x")]));
    };
    expect(await start({})).toMatchObject({ ok: 0, failed: { "response wrong length": 3 } });
  });

  it("names the status of a refusal", async () => {
    answer = (request, response) => response.writeHead(503).end(rightBody(request.url));
    expect(await start({})).toMatchObject({ ok: 0, failed: { "response status 503": 3 } });
  });

  it("counts a connection cut before or within the answer as reset", async () => {
    answer = (request) => request.socket.destroy();
    expect(await start({})).toMatchObject({ ok: 0, failed: { "response ECONNRESET": 3 } });
    answer = (request, response) => {
      response.writeHead(200, { "Content-Length": BODY_BYTES });
      response.write(rightBody(request.url).subarray(0, 500), () => request.socket.destroy());
    };
    expect(await start({})).toMatchObject({ ok: 0, failed: { "response ECONNRESET": 3 } });
  });

  it("counts an answer that never comes, or never ends, as timed out", async () => {
    answer = () => undefined;
    const none = await start({ timeoutMs: 1500 });
    expect(none).toMatchObject({ ok: 0, failed: { "response ETIMEDOUT": 3 } });
    answer = (request, response) => void response.write(rightBody(request.url).subarray(0, 500));
    const half = await start({ timeoutMs: 1500 });
    expect(half).toMatchObject({ ok: 0, failed: { "response ETIMEDOUT": 3 } });
  });

  it("ends in time when the server dies in mid-run, with all requests accounted for", async () => {
    let answered = 0;
    answer = (request, response) => {
      if (answered < 50) response.end(rightBody(request.url));
      answered++;
      if (answered < 100) return;
      server.close();
      server.closeAllConnections();
    };
    const result = await start({ requests: 300, concurrency: 100 });
    expect(result.sent).toBe(300);
    expect(result.ok).toBe(50);
    expect(failures(result)).toBe(250);
    expect(result.failed["response ECONNRESET"]).toBeGreaterThan(0);
    expect(result.failed["connect ECONNREFUSED"]).toBeGreaterThan(0);
    // Nobody waited for a deadline.
    expect(Object.keys(result.failed).filter((name) => name.includes("TIMEDOUT"))).toEqual([]);
  });
});
