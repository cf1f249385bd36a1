// Pings out of a namespace with raw-socket (our own shim where it is not built), in a child process
// of its own: a second opinion on reachability and round trips that shares no code with the load.
// Called by scenarios and tests, on the main thread.
import { isIP } from "node:net";
import { workerEntry } from "../../base/entry.js";
import { PacketpathError } from "../../base/errors.js";
import { forkIntoNamespace, throwFailure } from "./namespaced-child.js";
import type { NamespaceRef } from "../types.js";

/** Which binding sends: the npm package raw-socket, or native-free-shims/raw-socket. */
export type ProbeBinding = "raw-socket" | "shim";

export interface ProbeOptions {
  /** Echo requests to send, 1 to 10000. */
  readonly count: number;
  /** Between two requests, 0 to 10000; default 10. */
  readonly intervalMs?: number;
  /** How long to wait for answers after the last request, 1 to 60000; default 1000. */
  readonly timeoutMs?: number;
  /** Payload behind the ICMP header, 0 to 65000; default 56, as ping has it. */
  readonly sizeBytes?: number;
  /** Default `auto`: raw-socket if it loads, else the shim. */
  readonly binding?: ProbeBinding | "auto";
}

export interface ProbeReport {
  readonly binding: ProbeBinding;
  /** Requests that the kernel took. */
  readonly sent: number;
  /** Requests answered, each counted once, with the bytes that were sent. */
  readonly received: number;
  /** Answers beyond the first to the same request. */
  readonly duplicates: number;
  /** Answers whose payload is not what was sent. */
  readonly corrupted: number;
  /** Round trip of each answered request in milliseconds, in order of arrival. */
  readonly rttMs: readonly number[];
  /** Requests that the kernel refused, by its sentence ("Network is unreachable"). */
  readonly errors: Readonly<Record<string, number>>;
}

/** What the parent asks of the child; everything decided. */
export interface ProbeRequest {
  readonly kind: "probe";
  readonly target: string;
  readonly count: number;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly sizeBytes: number;
  readonly binding: ProbeBinding | "auto";
}

/** Beyond what a probe may take by its own options, before the child is held to be stuck. */
const GRACE_MS = 10_000;

function inRange(name: string, value: number, min: number, max: number): number {
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  throw new PacketpathError("USAGE", `probe: ${name} is ${value}; it must be ${min} to ${max}`);
}

function checkedRequest(target: string, options: ProbeOptions): ProbeRequest {
  if (isIP(target) === 0) {
    throw new PacketpathError("USAGE", `probe: target "${target}" is not an IP address`);
  }
  return {
    kind: "probe",
    target,
    count: inRange("count", options.count, 1, 10_000),
    intervalMs: inRange("intervalMs", options.intervalMs ?? 10, 0, 10_000),
    timeoutMs: inRange("timeoutMs", options.timeoutMs ?? 1_000, 1, 60_000),
    sizeBytes: inRange("sizeBytes", options.sizeBytes ?? 56, 0, 65_000),
    binding: options.binding ?? "auto",
  };
}

/**
 * Sends ICMP or ICMPv6 echo requests to `target` from inside a namespace of the linux backend, and
 * waits for the answers.
 * @throws PacketpathError USAGE for options; ENVIRONMENT when the namespace or the binding cannot
 *   be had; DEADLINE when the child hangs. Unreachable targets are no error: see the report.
 */
export async function probe(
  namespace: NamespaceRef,
  target: string,
  options: ProbeOptions,
): Promise<ProbeReport> {
  const request = checkedRequest(target, options);
  const entry = workerEntry("./prober-child.js", import.meta.url);
  const child = forkIntoNamespace(entry, namespace, null);
  const limitMs = request.count * (request.intervalMs + 5) + request.timeoutMs + GRACE_MS;
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<never>((_, reject) => {
    const text = `waited ${limitMs} ms for the prober in ${namespace.name}`;
    timer = setTimeout(() => reject(new PacketpathError("DEADLINE", text)), limitMs);
  });
  try {
    const answer = child.reply((message) => {
      throwFailure(message, `probe from ${namespace.name}`);
      return reportOf(message);
    });
    child.process.send(request, () => undefined);
    const report = await Promise.race([answer, deadline]);
    await child.ended;
    return report;
  } finally {
    clearTimeout(timer);
    await child.kill();
  }
}

function reportOf(message: unknown): ProbeReport | undefined {
  if (typeof message !== "object" || message === null || !("kind" in message)) return undefined;
  if (message.kind !== "result" || !("report" in message)) return undefined;
  return message.report as ProbeReport;
}
