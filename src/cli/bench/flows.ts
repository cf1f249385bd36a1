// `packetpath bench flows`: what a lookup costs, as curves: over the number of flows, over the
// number of masks, and for a frame that the exact-match cache knows. One thread, no devices; best
// of rounds, because whatever disturbs a round only makes it longer.
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { nowNs, realClock } from "../../base/clock.js";
import { Datapath, type Frame, type Transmit } from "../../datapath/datapath.js";
import { newKey } from "../../flow/key.js";
import { extractKey } from "../../flow/extract.js";
import type { Flow } from "../../flow/types.js";
import { parseFlow } from "../../ofctl/parse.js";
import { createFlowRecords, FlowTables } from "../../pipeline/flow-tables.js";
import { MacTable } from "../../pipeline/mac-table.js";
import { PortTable } from "../../pipeline/ports.js";
import { Pipeline } from "../../pipeline/translate.js";
import { buildEthernet } from "../../wire/ethernet.js";
import { buildIpv4 } from "../../wire/ipv4.js";
import { buildUdp } from "../../wire/transport.js";

const FLOWS = [10, 100, 1000, 10_000, 100_000];
const MASKS = [1, 2, 4, 8, 16, 32, 64];
const LOOKUPS = 10_000;
/**
 * Frames whose keys are looked up in turn: fewer than a cache has, more than a branch predictor.
 */
const KEYS = 4096;
/** More distinct frames than the exact-match cache holds (8192, two places each). */
const STRANGERS = 32_768;
const HEADROOM = 64;
const WARM_UP = 10;
/** Nanoseconds of a frame that the exact-match cache knows. */
export const EXACT_MATCH_GOAL_NS = 150;

export interface FlowsBench {
  readonly rounds: number;
  /** ns of a table lookup, by number of flows. */
  readonly byFlows: readonly { readonly flows: number; readonly ns: number }[];
  /** ns of a table lookup that the last mask answers, and of a frame in the fast path. */
  readonly byMasks: readonly {
    readonly masks: number;
    readonly tableNs: number;
    readonly megaflowNs: number;
  }[];
  readonly exactMatchNs: number;
  readonly goalNs: number;
  /** Heap and shared memory of one flow in one table. */
  readonly bytesPerFlow: number;
}

class Nowhere implements Transmit {
  frames = 0;
  output(): void {
    this.frames++;
  }
  drop(): void {
    this.frames++;
  }
  cloned(): void {}
}

export function benchFlows(rounds: number): FlowsBench {
  let bytesPerFlow = 0;
  const byFlows = FLOWS.map((flows) => {
    const before = heapBytes();
    const tables = tablesOf(addressFlows(flows));
    bytesPerFlow = (heapBytes() - before) / flows + tables.records.byteLength / flows;
    return { flows, ns: tableNs(tables, keysOf(flows, addressFrame), rounds) };
  });
  const byMasks = MASKS.map((masks) => {
    const tables = tablesOf(maskFlows(masks));
    const last = keysOf(KEYS, (i) => maskFrame(masks - 1, i));
    return { masks, tableNs: tableNs(tables, last, rounds), megaflowNs: strangerNs(masks, rounds) };
  });
  const exactMatchNs = frameNs(tablesOf(addressFlows(100)), framesOf(100, addressFrame), rounds);
  return { rounds, byFlows, byMasks, exactMatchNs, goalNs: EXACT_MATCH_GOAL_NS, bytesPerFlow };
}

/** All flows have one mask: a protocol, an address, a port. */
function addressFlows(count: number): Flow[] {
  return Array.from({ length: count }, (_, i) => {
    const match = `priority=10,udp,nw_dst=${address(i)},tp_dst=${1 + (i % 50_000)}`;
    return parseFlow(`${match} actions=output:2`);
  });
}

function address(i: number): string {
  return `10.${(i >>> 16) & 255}.${(i >>> 8) & 255}.${i & 255}`;
}

function addressFrame(i: number): Uint8Array {
  return frameOf({ destination: address(i), port: 1 + (i % 50_000), source: 7 });
}

/**
 * Flow k has mask k: the top of the destination MAC and bit k of what is below. Masks of addresses
 * would not do: the tries would leave most of them out.
 */
function maskFlows(count: number): Flow[] {
  return Array.from({ length: count }, (_, k) => {
    const flow = `dl_dst=02:${hex(k)}:00:00:00:00/ff:ff:${hex(k)}:00:00:01`;
    return parseFlow(`priority=${1000 - k},${flow} actions=output:2`);
  });
}

function maskFrame(k: number, source: number): Uint8Array {
  const mac = `02:${hex(k)}:00:00:00:00`;
  return frameOf({ destination: "10.0.0.1", port: 9, source: 1 + source, mac });
}

function hex(value: number): string {
  return value.toString(16).padStart(2, "0");
}

function frameOf(fields: {
  destination: string;
  port: number;
  source: number;
  mac?: string;
}): Uint8Array {
  const { destination, port, source, mac } = fields;
  const payload = buildUdp({ source, destination: port, payload: new Uint8Array(18) });
  const packet = buildIpv4({ source: "10.200.0.1", destination, protocol: 17, payload });
  return buildEthernet({ type: 0x0800, payload: packet, destination: mac ?? "02:00:00:00:00:02" });
}

function tablesOf(flows: readonly Flow[]): FlowTables {
  const tables = new FlowTables({ clock: realClock, records: createFlowRecords(flows.length + 1) });
  tables.apply(flows.map((flow) => ({ type: "add", flow })));
  return tables;
}

/** Frames of `count` different sources, at most KEYS of them, spread over all. */
function framesOf(count: number, frame: (i: number) => Uint8Array): Uint8Array[] {
  const length = Math.min(count, KEYS);
  return Array.from({ length }, (_, i) => frame(Math.floor((i * count) / length)));
}

function keysOf(count: number, frame: (i: number) => Uint8Array): Uint32Array[] {
  return framesOf(count, frame).map((bytes) => {
    const key = newKey();
    extractKey(bytes, 0, bytes.length, 1, key);
    return key;
  });
}

function tableNs(tables: FlowTables, keys: readonly Uint32Array[], rounds: number): number {
  const wildcards = newKey();
  let found = 0;
  const ns = bestNs(rounds, LOOKUPS, (i) => {
    if (tables.lookup(0, keys[i % keys.length]!, wildcards) !== null) found++;
  });
  if (found < LOOKUPS) throw new Error("a lookup of the measurement found no flow");
  return ns;
}

function bestNs(rounds: number, count: number, once: (i: number) => void): number {
  let best = Infinity;
  // The first rounds are the compiler's.
  for (let round = 0; round < rounds + WARM_UP; round++) {
    const start = nowNs();
    for (let i = 0; i < count; i++) once(i);
    if (round >= WARM_UP) best = Math.min(best, (nowNs() - start) / count);
  }
  return best;
}

/** A frame of each mask in turn, and no two alike: the exact-match cache is of no use. */
function strangerNs(masks: number, rounds: number): number {
  const frames = Array.from({ length: STRANGERS }, (_, i) => maskFrame(i % masks, i));
  return frameNs(tablesOf(maskFlows(masks)), frames, rounds);
}

function frameNs(tables: FlowTables, frames: readonly Uint8Array[], rounds: number): number {
  const ports = PortTable.create();
  for (const number of [1, 2]) ports.add(number);
  const pipeline = new Pipeline({
    ...{ tables, ports, macs: MacTable.create(), clock: realClock, sink: () => undefined },
  });
  const transmit = new Nowhere();
  const datapath = new Datapath({
    ...{ transmit, revisions: pipeline, records: tables.records, clock: realClock },
    miss: (_frame, key) => pipeline.translate(key),
  });
  const stride = 256;
  const pool = new Uint8Array(frames.length * stride);
  frames.forEach((bytes, i) => pool.set(bytes, i * stride + HEADROOM));
  const frame: Frame = {
    ...{ bytes: pool, offset: 0, length: 0, vnetOffset: -1 },
    ...{ inPort: 1, queueMapping: 0, hash: 0 },
  };
  const count = Math.max(LOOKUPS, frames.length);
  const ns = bestNs(rounds, count, (i) => {
    const which = i % frames.length;
    frame.offset = which * stride + HEADROOM;
    frame.length = frames[which]!.length;
    datapath.receive(frame);
  });
  if (transmit.frames < count) throw new Error("a frame of the measurement went nowhere");
  return ns;
}

function heapBytes(): number {
  setFlagsFromString("--expose-gc");
  (runInNewContext("gc") as () => void)();
  return process.memoryUsage().heapUsed;
}

export function flowsBenchText(one: FlowsBench): string {
  const ns = (value: number) => `${value.toFixed(0).padStart(6)} ns`;
  const word = one.exactMatchNs <= one.goalNs ? "met" : "missed";
  return [
    `flows: best of ${one.rounds} rounds`,
    ...one.byFlows.map(({ flows, ns: each }) => `  ${String(flows).padStart(6)} flows ${ns(each)}`),
    ...one.byMasks.map(
      ({ masks, tableNs: table, megaflowNs: frame }) =>
        `  ${String(masks).padStart(6)} masks ${ns(table)} in the table, ` +
        `${ns(frame)} a frame that only a megaflow knows`,
    ),
    `  exact-match hit ${ns(one.exactMatchNs)} a frame, goal ${one.goalNs}: ${word}`,
    `  memory of a flow ${one.bytesPerFlow.toFixed(0)} bytes in one replica`,
    "",
  ].join("\n");
}
