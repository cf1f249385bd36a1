// One HTTP load: a server thread and a client thread, from start to result. Main thread.
import { workerEntry } from "../base/entry.js";
import type { BackendDescriptor } from "../host/types.js";
import type { HttpClientResult } from "./http-client-thread.js";
import { RoleGroup } from "./threads.js";
import { LOAD_COUNTER, type HttpLoadResult, type HttpLoadSpec, type LoadHandle } from "./types.js";

const SERVER = workerEntry("./http-server-thread.js", import.meta.url);
const CLIENT = workerEntry("./http-client-thread.js", import.meta.url);

/** The server listens before the client's first connection. See `LoadHandle` for the ends. */
export function startHttp(
  descriptor: BackendDescriptor,
  spec: HttpLoadSpec,
): LoadHandle<HttpLoadResult> {
  const group = new RoleGroup(descriptor);
  return { counters: group.counters, done: runBoth(group, spec), stop: () => group.stop() };
}

/** A client alone, against a server that somebody else runs; `spec.server` is not looked at. */
export function startHttpClient(
  descriptor: BackendDescriptor,
  spec: HttpLoadSpec,
): LoadHandle<HttpLoadResult> {
  const group = new RoleGroup(descriptor);
  return { counters: group.counters, done: runClient(group, spec), stop: () => group.stop() };
}

async function runBoth(group: RoleGroup, spec: HttpLoadSpec): Promise<HttpLoadResult> {
  try {
    const server = group.start<null, HttpLoadSpec>("http-server", SERVER, spec.server, spec);
    await server.ready;
    const client = startClient(group, spec);
    // The client ends by itself whatever the server does, because every request has a deadline;
    // a server that failed is reported once the client has its results.
    const answer = await client.result;
    server.stop();
    await server.result;
    return toResult(answer, group.counters);
  } finally {
    await group.end();
  }
}

async function runClient(group: RoleGroup, spec: HttpLoadSpec): Promise<HttpLoadResult> {
  try {
    return toResult(await startClient(group, spec).result, group.counters);
  } finally {
    await group.end();
  }
}

function startClient(group: RoleGroup, spec: HttpLoadSpec) {
  return group.start<HttpClientResult, HttpLoadSpec>("http-client", CLIENT, spec.client, spec);
}

/** A client that had to be terminated leaves its counters; what was open then was cut off. */
function toResult(answer: HttpClientResult | null, counters: Int32Array): HttpLoadResult {
  const maxInFlight = Atomics.load(counters, LOAD_COUNTER.maxInFlight);
  if (answer !== null) return { ...answer, maxInFlight };
  const sent = Atomics.load(counters, LOAD_COUNTER.sent);
  const ok = Atomics.load(counters, LOAD_COUNTER.ok);
  return {
    sent,
    ok,
    failed: sent === ok ? {} : { "terminated ECANCELED": sent - ok },
    maxInFlight,
    seconds: 0,
    latencyMs: { p50: 0, p99: 0, max: 0 },
    histogram: [],
  };
}
