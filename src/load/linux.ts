// The loads of real namespaces, from start to result: HTTP, UDP flood, ping. Main thread. Each is
// one or two threads (see threads.ts); this file orders their beginnings and ends.
import { workerEntry } from "../base/entry.js";
import type { BackendDescriptor, NamespaceRef } from "../host/types.js";
import { startServerProcess } from "./apart/server-process.js";
import type { FloodRoleSpec, FloodSenderResult } from "./flood-thread.js";
import type { HttpClientResult } from "./http-client-thread.js";
import { RoleGroup } from "./threads.js";
import {
  LOAD_COUNTER,
  type DatagramResult,
  type HttpLoadResult,
  type HttpLoadSpec,
  type LoadHandle,
  type PingSpec,
  type UdpFloodSpec,
} from "./types.js";

const SERVER = workerEntry("./http-server-thread.js", import.meta.url);
const CLIENT = workerEntry("./http-client-thread.js", import.meta.url);
const FLOOD = workerEntry("./flood-thread.js", import.meta.url);
const PING = workerEntry("./ping-thread.js", import.meta.url);

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
  const ends = spec.behind ?? [{ server: spec.server, port: spec.serverPort }];
  const servers = ends.map(({ server, port }) => {
    const own = { ...spec, serverPort: port };
    if (spec.serverApart === true) return startServerProcess(server, own, group.counters);
    return group.start<null, HttpLoadSpec>("http-server", SERVER, server, own);
  });
  try {
    await Promise.all(servers.map(({ ready }) => ready));
    // The client ends by itself whatever the server does, because every request has a deadline;
    // a server that failed is reported once the client has its results.
    const answer = await startClient(group, spec).result;
    for (const server of servers) server.stop();
    await Promise.all(servers.map(({ result }) => result));
    return toResult(answer, group.counters);
  } finally {
    // Also when the client could not begin: the group's stop alone only makes the server release.
    for (const server of servers) server.stop();
    await Promise.all([group.end(), Promise.allSettled(servers.map(({ result }) => result))]);
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
  const load = (word: number): number => Atomics.load(counters, word);
  const counted = {
    maxInFlight: load(LOAD_COUNTER.maxInFlight),
    maxHeld: load(LOAD_COUNTER.maxHeld),
    clients: {
      same: load(LOAD_COUNTER.clientsSame),
      different: load(LOAD_COUNTER.clientsDifferent),
    },
  };
  if (answer !== null) return { ...answer, ...counted };
  const sent = load(LOAD_COUNTER.sent);
  const ok = load(LOAD_COUNTER.ok);
  return {
    sent,
    ok,
    failed: sent === ok ? {} : { "terminated ECANCELED": sent - ok },
    ...counted,
    seconds: 0,
    latencyMs: { p50: 0, p99: 0, max: 0 },
    histogram: [],
  };
}

/** Sends until stopped. The receiver, if asked for, listens before the first datagram. */
export function startFlood(
  descriptor: BackendDescriptor,
  spec: UdpFloodSpec,
): LoadHandle<DatagramResult> {
  const group = new RoleGroup(descriptor);
  return { counters: group.counters, done: runFlood(group, spec), stop: () => group.stop() };
}

async function runFlood(group: RoleGroup, spec: UdpFloodSpec): Promise<DatagramResult> {
  try {
    const receiver = spec.receiver === undefined ? null : startReceiver(group, spec.receiver, spec);
    await receiver?.ready;
    const role: FloodRoleSpec = { role: "send", flood: spec };
    const sender = group.start<FloodSenderResult, FloodRoleSpec>(
      "udp-sender",
      FLOOD,
      spec.client,
      role,
    );
    const sent = await sender.result;
    noteSenderEnded(group);
    const received = await receiver?.result;
    return {
      sent: sent?.sent ?? Atomics.load(group.counters, LOAD_COUNTER.datagramsSent),
      received: received ?? Atomics.load(group.counters, LOAD_COUNTER.datagramsReceived),
      errors: sent?.errors ?? {},
      seconds: sent?.seconds ?? 0,
      latencyMs: null,
    };
  } finally {
    noteSenderEnded(group);
    await group.end();
  }
}

/** The receiver goes on until then. */
function noteSenderEnded(group: RoleGroup): void {
  Atomics.store(group.counters, LOAD_COUNTER.senderEnded, 1);
}

function startReceiver(group: RoleGroup, namespace: NamespaceRef, spec: UdpFloodSpec) {
  const role: FloodRoleSpec = { role: "receive", flood: spec };
  return group.start<number, FloodRoleSpec>("udp-receiver", FLOOD, namespace, role);
}

/** Ends after `count` answers or deadlines, or when stopped. */
export function startPing(
  descriptor: BackendDescriptor,
  spec: PingSpec,
): LoadHandle<DatagramResult> {
  const group = new RoleGroup(descriptor);
  return { counters: group.counters, done: runPing(group, spec), stop: () => group.stop() };
}

async function runPing(group: RoleGroup, spec: PingSpec): Promise<DatagramResult> {
  try {
    const pinger = group.start<DatagramResult, PingSpec>("ping", PING, spec.client, spec);
    const result = await pinger.result;
    if (result !== null) return result;
    return {
      sent: Atomics.load(group.counters, LOAD_COUNTER.datagramsSent),
      received: Atomics.load(group.counters, LOAD_COUNTER.datagramsReceived),
      errors: {},
      seconds: 0,
      latencyMs: null,
    };
  } finally {
    await group.end();
  }
}
