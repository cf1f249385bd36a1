// A switch without devices: flow tables, ports, MAC table, pipeline and datapath on one thread, and
// a Transmit that writes down what happened. Shared by the tests of the pipeline and the datapath.
import { SteppedClock } from "../../src/base/clock.js";
import { DROP_REASONS } from "../../src/base/drop-reasons.js";
import { Conntrack } from "../../src/datapath/conntrack/conntrack.js";
import { MeterTable } from "../../src/datapath/meters.js";
import { Datapath, type Frame, type Transmit } from "../../src/datapath/datapath.js";
import { fieldByName } from "../../src/flow/fields.js";
import { extractKey } from "../../src/flow/extract.js";
import { newKey } from "../../src/flow/key.js";
import { newMatch, setMatchField } from "../../src/flow/match.js";
import type { Action, Bucket, Flow, Group, Match, SubField } from "../../src/flow/types.js";
import { groupOfMod, parseGroupMod } from "../../src/ofctl/groups.js";
import { parseFlow } from "../../src/ofctl/parse.js";
import type { LearnSink } from "../../src/pipeline/actions/learn.js";
import { FlowTables } from "../../src/pipeline/flow-tables.js";
import { MacTable } from "../../src/pipeline/mac-table.js";
import { PortTable } from "../../src/pipeline/ports.js";
import { Pipeline } from "../../src/pipeline/translate.js";
import { buildArp } from "../../src/wire/arp.js";
import { buildEthernet } from "../../src/wire/ethernet.js";
import { buildIpv4 } from "../../src/wire/ipv4.js";
import { buildTcp, buildUdp } from "../../src/wire/transport.js";

/** Fields by name; a pair is value and mask. */
export type Fields = Readonly<Record<string, number | readonly [number, number]>>;

function words(count: number, value: number): Uint32Array {
  const out = new Uint32Array(count);
  out[count - 1] = value % 0x100000000;
  if (count > 1) out[count - 2] = Math.floor(value / 0x100000000);
  return out;
}

export function match(fields: Fields): Match {
  const result = newMatch();
  for (const [name, spec] of Object.entries(fields)) {
    const field = fieldByName(name)!;
    const [value, mask] = typeof spec === "number" ? [spec, undefined] : spec;
    const maskWords = mask === undefined ? undefined : words(field.words, mask);
    setMatchField(result, field, words(field.words, value), maskWords);
  }
  return result;
}

export function flow(
  fields: Fields,
  actions: readonly Action[],
  more: { priority?: number; table?: number; idleTimeout?: number; hardTimeout?: number } = {},
): Flow {
  return {
    table: more.table ?? 0,
    priority: more.priority ?? 32768,
    match: match(fields),
    actions,
    cookie: 0n,
    idleTimeout: more.idleTimeout ?? 0,
    hardTimeout: more.hardTimeout ?? 0,
    importance: 0,
    flags: [],
  };
}

export const output = (port: number): Action => ({ type: "output", port });

export function set(name: string, value: number, mask?: number): Action {
  const field = fieldByName(name)!;
  const full = field.stored >= 48 ? 2 ** 48 - 1 : 2 ** field.stored - 1;
  return {
    type: "set-field",
    field: field.id,
    value: words(field.words, value),
    mask: words(field.words, mask ?? full),
    spelling: "set_field",
  };
}

export function move(source: SubField, target: SubField): Action {
  return { type: "move", source, target };
}

export const resubmit = (table: number | null, port: number | null = null): Action => ({
  type: "resubmit",
  port,
  table,
});

/** A group of type all; buckets count from 0. */
export function allGroup(id: number, buckets: readonly (readonly Action[])[]): Group {
  return {
    id,
    type: "all",
    buckets: buckets.map((actions, i) => bucket(i, actions)),
    selectionMethod: "",
    selectionParam: 0n,
    fields: [],
  };
}

export function bucket(id: number, actions: readonly Action[], more: Partial<Bucket> = {}): Bucket {
  return { id, weight: 1, watchPort: null, watchGroup: null, actions, ...more };
}

export const controller: Action = { type: "controller", maxBytes: 65535, reason: "action", id: 0 };
export const decTtl: Action = { type: "dec-ttl", controllerIds: [0] };

/** What happened to a frame or one of its copies. */
export interface Fate {
  readonly port: number | null;
  readonly drop: string | null;
  readonly bytes: Uint8Array;
  readonly vnet: Uint8Array | null;
  readonly queueMapping: number;
  readonly last: boolean;
}

export class Recorder implements Transmit {
  fates: Fate[] = [];
  clones = 0;

  output(frame: Frame, port: number, last: boolean): void {
    this.fates.push(this.fate(frame, { port, drop: null, last }));
    // As the path does: the chosen queue overwrites the hint.
    frame.queueMapping = 0xbad;
  }

  drop(frame: Frame, reason: number): void {
    this.fates.push(this.fate(frame, { port: null, drop: DROP_REASONS[reason]![0], last: true }));
  }

  cloned(): void {
    this.clones++;
  }

  take(): Fate[] {
    const taken = this.fates;
    this.fates = [];
    return taken;
  }

  private fate(
    frame: Frame,
    end: { port: number | null; drop: string | null; last: boolean },
  ): Fate {
    const { bytes, offset, length, vnetOffset, queueMapping } = frame;
    const vnet = vnetOffset < 0 ? null : bytes.slice(vnetOffset, offset);
    return { ...end, bytes: bytes.slice(offset, offset + length), vnet, queueMapping };
  }
}

export interface Lab {
  readonly clock: SteppedClock;
  readonly tables: FlowTables;
  readonly ports: PortTable;
  readonly macs: MacTable;
  readonly meters: MeterTable;
  readonly conntrack: Conntrack;
  readonly pipeline: Pipeline;
  readonly datapath: Datapath;
  readonly recorder: Recorder;
  /** Puts a frame in and says what became of it. */
  send(
    bytes: Uint8Array,
    inPort: number,
    more?: { queueMapping?: number; vnet?: Uint8Array },
  ): Fate[];
}

const HEADROOM = 64;

export function lab(
  flows: readonly Flow[],
  portNumbers: readonly number[] = [1, 2, 3, 4],
  transmit?: Transmit,
  groups: readonly Group[] = [],
): Lab {
  const clock = new SteppedClock(1_000_000);
  const tables = new FlowTables({ clock });
  tables.apply(groups.map((group) => ({ type: "set-group", group })));
  tables.replace(flows);
  const ports = PortTable.create();
  for (const number of portNumbers) ports.add(number);
  const macs = MacTable.create();
  const sink: LearnSink = (changes) => tables.apply(changes);
  const pipeline = new Pipeline({ tables, ports, macs, clock, sink });
  const meters = MeterTable.create();
  const conntrack = Conntrack.create(1024);
  const recorder = new Recorder();
  const datapath = new Datapath({
    transmit: transmit ?? recorder,
    miss: (_frame, key) => pipeline.translate(key),
    revisions: pipeline,
    records: tables.records,
    clock,
    meters,
    conntrack,
  });
  const frame: Frame = {
    bytes: new Uint8Array(70_000),
    offset: 0,
    length: 0,
    vnetOffset: -1,
    inPort: 0,
    queueMapping: 0,
    hash: 0,
  };
  const send: Lab["send"] = (bytes, inPort, more = {}) => {
    const vnetBytes = more.vnet?.length ?? 0;
    if (more.vnet !== undefined) frame.bytes.set(more.vnet, HEADROOM);
    frame.bytes.set(bytes, HEADROOM + vnetBytes);
    frame.offset = HEADROOM + vnetBytes;
    frame.vnetOffset = more.vnet === undefined ? -1 : HEADROOM;
    frame.length = bytes.length;
    frame.inPort = inPort;
    frame.queueMapping = more.queueMapping ?? 0;
    datapath.receive(frame);
    return recorder.take();
  };
  return { clock, tables, ports, macs, meters, conntrack, pipeline, datapath, recorder, send };
}

/** A lab whose flows, and groups before them, are written in ofctl text. */
export function textLab(flows: readonly string[], groups: readonly string[] = []): Lab {
  const parsed = groups.map((text) => groupOfMod(parseGroupMod(text, "add")));
  return lab(
    flows.map((text) => parseFlow(text)),
    undefined,
    undefined,
    parsed,
  );
}

/** Where the copies went: port numbers and drop reasons, in order. */
export function ends(fates: readonly Fate[]): (number | string)[] {
  return fates.map((fate) => fate.port ?? fate.drop ?? "?");
}

/** MAC of host n: 02:00:00:00:00:0n. */
export const mac = (n: number): string => `02:00:00:00:00:${n.toString(16).padStart(2, "0")}`;

export const BROADCAST = "ff:ff:ff:ff:ff:ff";

interface UdpFields {
  readonly from?: number;
  readonly to?: number;
  readonly destination?: string;
  readonly source?: string;
  readonly ports?: readonly [number, number];
  readonly ttl?: number;
  readonly tags?: readonly { tpid?: number; tci: number }[];
  readonly tcp?: boolean;
  readonly payload?: Uint8Array;
  readonly transportChecksum?: "full" | "partial" | "keep";
}

/** A UDP (or TCP) frame from host `from` to host `to`, 10.0.0.from to 10.0.0.to. */
export function udp(fields: UdpFields = {}): Uint8Array {
  const from = fields.from ?? 1;
  const to = fields.to ?? 2;
  const [source, destination] = fields.ports ?? [1000, 2000];
  const build = fields.tcp === true ? buildTcp : buildUdp;
  const transport = { source, destination, payload: fields.payload ?? new Uint8Array(20).fill(7) };
  return buildEthernet({
    destination: fields.destination ?? mac(to),
    source: fields.source ?? mac(from),
    type: 0x0800,
    tags: fields.tags ?? [],
    payload: buildIpv4({
      source: `10.0.0.${from}`,
      destination: `10.0.0.${to}`,
      protocol: fields.tcp === true ? 6 : 17,
      ttl: fields.ttl ?? 64,
      payload: build(transport),
      transportChecksum: fields.transportChecksum ?? "full",
    }),
  });
}

export function arpRequest(from: number, to: number): Uint8Array {
  return buildEthernet({
    destination: BROADCAST,
    source: mac(from),
    type: 0x0806,
    payload: buildArp({
      operation: 1,
      senderMac: mac(from),
      senderIp: 0x0a000000 + from,
      targetIp: 0x0a000000 + to,
    }),
  });
}

export function keyOf(bytes: Uint8Array, inPort: number): Uint32Array {
  const key = newKey();
  extractKey(bytes, 0, bytes.length, inPort, key);
  return key;
}
