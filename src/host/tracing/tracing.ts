// Records events of the running kernel in a trace instance of our own: which events, of which
// thread, with stacks. Events only, no probes: nothing in the kernel's text is changed. Needs root.
// Synchronous; main thread. Kernel: Documentation/trace/events.rst.
import { existsSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { PacketpathError } from "../../base/errors.js";
import { forgetFolder, processIdentity, recordFolder } from "../ledger.js";
import { makeInstance, openTracefs, type Tracefs } from "./tracefs.js";

export interface EventRequest {
  /** As tracefs spells it: `net/netif_rx`. */
  readonly name: string;
  /** What a record must be like: `vec==3`; all records if left out. */
  readonly filter?: string;
  /** The observation can do without it; its absence is told, and no error. */
  readonly optional?: boolean;
}

export interface TracingRequest {
  readonly events: readonly EventRequest[];
  /** Only what happens while this thread is on a CPU, interrupts included; null: on all CPUs. */
  readonly thread: number | null;
  /** Where tracefs is mounted; found, or mounted, if left out. */
  readonly folder?: string | undefined;
}

export interface Tracing {
  /** Where tracefs is, for people. */
  readonly place: string;
  /** What this kernel cannot record of what was asked for and is optional. */
  readonly absent: readonly string[];
  start(): void;
  stop(): void;
  /** What was recorded, as the kernel's `trace` file prints it. */
  read(): string;
  /** Removes the instance. @throws PacketpathError SYSTEM_CALL when somebody else uses it. */
  close(): void;
}

/** Of each CPU. An event with its stack takes 200 to 400 bytes. */
const BUFFER_KB = 4096;

let made = 0;

/**
 * Makes an instance, with recording off.
 * @throws PacketpathError ENVIRONMENT naming what the machine lacks; nothing is left then.
 */
export function openTracing(request: TracingRequest): Tracing {
  const tracefs = openTracefs(request.folder);
  const name = `packetpath-${processIdentity(process.pid)}-${++made}`;
  let folder: string;
  try {
    recordFolder("trace-instance", name);
    folder = makeInstance(tracefs, name);
  } catch (error) {
    forgetFolder("trace-instance", name);
    tracefs.close();
    throw error;
  }
  const close = (): void => {
    removeOwn(folder, tracefs);
    forgetFolder("trace-instance", name);
  };
  try {
    const absent = setUp(folder, request);
    const recording = (on: boolean) => writeFileSync(`${folder}/tracing_on`, on ? "1" : "0");
    return {
      place: tracefs.place,
      absent,
      start: () => recording(true),
      stop: () => recording(false),
      read: () => readFileSync(`${folder}/trace`, "utf8"),
      close,
    };
  } catch (error) {
    close();
    if (error instanceof PacketpathError) throw error;
    const { message } = error as Error;
    throw new PacketpathError("SYSTEM_CALL", `tracing cannot be set up: ${message}`);
  }
}

function removeOwn(folder: string, tracefs: Tracefs): void {
  try {
    rmdirSync(folder);
  } catch (error) {
    const { message } = error as Error;
    throw new PacketpathError("SYSTEM_CALL", `cannot remove the trace instance: ${message}`, {
      fix: "End whatever reads it, then run `packetpath clean`.",
    });
  } finally {
    tracefs.close();
  }
}

/** Recording goes off before anything is enabled: an instance begins with it on. */
function setUp(folder: string, { events, thread }: TracingRequest): string[] {
  writeFileSync(`${folder}/tracing_on`, "0");
  const absent = missingEvents(folder, events);
  writeFileSync(`${folder}/buffer_size_kb`, String(BUFFER_KB));
  writeFileSync(`${folder}/trace_clock`, "mono");
  if (thread !== null) writeFileSync(`${folder}/set_event_pid`, String(thread));
  const stacks = `${folder}/options/stacktrace`;
  if (existsSync(stacks)) writeFileSync(stacks, "1");
  else absent.push("options/stacktrace");
  for (const { name, filter } of events) {
    if (absent.includes(name)) continue;
    if (filter !== undefined) writeFileSync(`${folder}/events/${name}/filter`, filter);
    writeFileSync(`${folder}/events/${name}/enable`, "1");
  }
  return absent;
}

/**
 * The optional events that an instance does not have.
 * @throws PacketpathError ENVIRONMENT naming those that are needed.
 */
export function missingEvents(folder: string, events: readonly EventRequest[]): string[] {
  const missing = events.filter(({ name }) => !existsSync(`${folder}/events/${name}/enable`));
  const needed = missing.filter(({ optional }) => optional !== true).map(({ name }) => name);
  if (needed.length > 0) {
    const which = needed.join(", ");
    throw new PacketpathError("ENVIRONMENT", `this kernel has no trace events ${which}`, {
      fix: "Use a kernel with CONFIG_EVENT_TRACING and CONFIG_FTRACE_SYSCALLS.",
    });
  }
  return missing.map(({ name }) => name);
}
