// Traces a packet through a bridge, as `ovs-appctl ofproto/trace` of Open vSwitch 3.1 does: one
// translation, watched, and one more for each copy that comes back from the connection tracker or
// a hash. Changes nothing unless side effects are asked for. On the thread of the bridge.
import { DROP_REASONS, type DropReason } from "../base/drop-reasons.js";
import { WORD } from "../flow/key.js";
import { OFPP, type Action } from "../flow/types.js";
import { needsHelp, odpActionTexts, type OdpNames } from "../ofctl/odp/format-odp-actions.js";
import { formatIpv4, formatIpv6 } from "../ofctl/text/addresses.js";
import type { FormatOptions } from "../ofctl/print/format-value.js";
import type { Recirculation, TranslationError } from "../pipeline/observer.js";
import type { Pipeline } from "../pipeline/translate.js";
import { CT_STATE, ctStateText } from "./ct-state.js";
import { flowText, megaflowText } from "./flow-text.js";
import type { TraceNode } from "./nodes.js";
import { Watch } from "./watch.js";

/** What a trace needs of a bridge. */
export interface TraceBridge {
  readonly name: string;
  readonly pipeline: Pipeline;
  ports(): readonly TracePort[];
}

export interface TracePort {
  readonly name: string;
  /** OpenFlow port number. */
  readonly number: number;
  /** The number by which datapath actions call it. */
  readonly datapathNumber: number;
}

export interface TraceOptions {
  /** Ports by name. Default false. */
  readonly names?: boolean;
  /** Learns what the packet teaches. Default false. */
  readonly sideEffects?: boolean;
  /** All bridges that share the datapath. Default: this one is alone. */
  readonly neighbours?: readonly TraceBridge[];
  /** Actions of a packet-out, done instead of those of a flow of table 0. */
  readonly actions?: readonly Action[];
  /** ct_state of each packet that comes back from the tracker; then "trk|new". */
  readonly ctNext?: readonly number[];
}

/** One pass of the packet, or of a copy, through the tables. */
export interface TraceStep {
  /** What brought it back; null for the packet as it came. */
  readonly from: TraceReturn | null;
  readonly flow: string;
  readonly nodes: readonly TraceNode[];
  /** null: as it was. */
  readonly finalFlow: string | null;
  readonly megaflow: string;
  readonly datapathActions: readonly string[];
  /** Why a packet that goes nowhere is dropped; null: it goes somewhere. */
  readonly dropReason: DropReason | null;
  readonly failure: TranslationError | null;
  readonly slowPath: readonly string[];
}

export interface TraceReturn {
  readonly id: number;
  /** ct_state that it comes back with. */
  readonly ctState: string;
  /** Whether `ctNext` said so. */
  readonly isCtChosen: boolean;
  /** Addresses before and after translation is simulated; null: there is none. */
  readonly nat: { readonly before: string; readonly after: string } | null;
}

export interface Trace {
  readonly bridge: string;
  readonly steps: readonly TraceStep[];
  /** Copies that were left out because there were more than RETURNS_MAX; usually 0. */
  readonly omitted: number;
}

/** Copies that a trace follows (OVS ofproto_trace). */
const RETURNS_MAX = 4096;
const NEEDS_HELP = "Uses action(s) not supported by datapath";

/**
 * Follows a packet.
 * @param key of the packet as it comes in; not changed.
 */
export function trace(bridge: TraceBridge, key: Uint32Array, options: TraceOptions = {}): Trace {
  const { recirculations } = bridge.pipeline;
  const { mark } = recirculations;
  const steps: TraceStep[] = [];
  const ctNext = [...(options.ctNext ?? [])];
  const pass = (flow: Uint32Array, from: TraceReturn | null): void => {
    const { step, returns } = onePass(bridge, flow, from, options);
    steps.push(step);
    queue.push(...returns);
  };
  const queue: Recirculation[] = [];
  pass(key, null);
  for (let count = 0; queue.length > 0 && count <= RETURNS_MAX; count++) {
    const copy = queue.shift()!;
    const flow = copy.key.slice();
    const from = comeBack(copy, flow, ctNext);
    pass(flow, from);
  }
  // What a trace with effects sent round may be asked for: it is as if the packet had come.
  if (options.sideEffects !== true) recirculations.forgetSince(mark);
  return { bridge: bridge.name, steps, omitted: queue.length };
}

function onePass(
  bridge: TraceBridge,
  key: Uint32Array,
  from: TraceReturn | null,
  options: TraceOptions,
): { step: TraceStep; returns: readonly Recirculation[] } {
  const ports = bridge.ports();
  const names = new Map(ports.map((port) => [port.number, port.name]));
  const format: FormatOptions = options.names === true ? { portNames: names } : {};
  const portNames = new Map(
    (options.neighbours ?? []).map((each) => [
      each.name,
      new Map(each.ports().map((port) => [port.number, port.name])),
    ]),
  ).set(bridge.name, names);
  const watch = new Watch(bridge.name, portNames, options.names === true);
  const sideEffects = options.sideEffects ?? false;
  const given = from === null && options.actions !== undefined ? { actions: options.actions } : {};
  const megaflow = bridge.pipeline.translate(key, { sideEffects, observer: watch, ...given });
  const { actions, operands } = megaflow;
  const byName = datapathNames(bridge, options.neighbours ?? [bridge], options.names === true);
  const odpNames = { ...byName, isTrial: !sideEffects };
  const failed = watch.failure !== null;
  const step: TraceStep = {
    from,
    flow: flowText(key, format),
    nodes: watch.roots,
    finalFlow: sameFlow(key, watch.finalFlow) ? null : flowText(watch.finalFlow, format),
    megaflow: megaflowText(key, watch.wildcards, format),
    datapathActions: failed ? [] : odpActionTexts(actions, operands, key, odpNames),
    dropReason: megaflow.ends === 0 ? DROP_REASONS[megaflow.dropReason]![0] : null,
    failure: watch.failure,
    slowPath: !failed && needsHelp(actions, key) ? [NEEDS_HELP] : [],
  };
  return { step, returns: watch.recirculations };
}

/** How the datapath calls ports. */
export function datapathNames(
  bridge: TraceBridge,
  neighbours: readonly TraceBridge[],
  byName: boolean,
): OdpNames {
  // Bridges that share a datapath call ports by its numbers, those of their neighbours too.
  const isShared = bridge.pipeline.wiring !== null;
  const ports = (isShared ? neighbours : [bridge]).flatMap((each) => each.ports());
  const byNumber = new Map(
    ports.map((port) => [isShared ? port.datapathNumber : port.number, port]),
  );
  return {
    port: (number: number): string => {
      const port = byNumber.get(number);
      if (port === undefined) return String(number);
      return byName ? port.name : String(port.datapathNumber);
    },
  };
}

/** A translation begins without an output in the action set. */
function sameFlow(before: Uint32Array, after: Uint32Array): boolean {
  const initial = (i: number): number => (i === WORD.actsetOutput ? OFPP.unset : before[i]!);
  return after.every((word, i) => word === initial(i));
}

/** Makes of a copy what it is when it comes back; says what was assumed. */
function comeBack(copy: Recirculation, flow: Uint32Array, ctNext: number[]): TraceReturn {
  const chosen = ctNext.shift();
  const state = chosen ?? CT_STATE.trk | CT_STATE.new;
  flow[WORD.ctState] = state;
  flow[WORD.ctZone] = copy.zone;
  const isCtChosen = chosen !== undefined;
  return { id: copy.id, ctState: ctStateText(state), isCtChosen, nat: simulateNat(copy, flow) };
}

/** Addresses become the first of their range. */
function simulateNat({ nat }: Recirculation, flow: Uint32Array): TraceReturn["nat"] {
  if (nat === null) return null;
  const range = nat.range;
  const isIpv6 = range?.first.length === 16;
  const before = range === null ? "" : addressesText(flow, isIpv6);
  if (range !== null && nat.direction !== null) {
    const isSource = nat.direction === "src";
    const view = new DataView(range.first.buffer, range.first.byteOffset, range.first.length);
    const ipv4 = isSource ? WORD.nwSrc : WORD.nwDst;
    const ipv6 = isSource ? WORD.ipv6Src : WORD.ipv6Dst;
    for (let i = 0; i * 4 < range.first.length; i++) {
      flow[(isIpv6 ? ipv6 : ipv4) + i] = view.getUint32(4 * i);
    }
    const ports = flow[WORD.ports]!;
    if (range.firstPort !== 0) {
      flow[WORD.ports] = isSource
        ? (ports & 0xffff) | (range.firstPort << 16)
        : (ports & 0xffff0000) | range.firstPort;
    }
  }
  return { before, after: range === null ? "" : addressesText(flow, isIpv6) };
}

function addressesText(flow: Uint32Array, isIpv6: boolean): string {
  const wide = (word: number): bigint =>
    [0, 1, 2, 3].reduce((sum, i) => (sum << 32n) | BigInt(flow[word + i]!), 0n);
  const [source, destination] = [flow[WORD.ports]! >>> 16, flow[WORD.ports]! & 0xffff];
  if (!isIpv6) {
    const [from, to] = [
      formatIpv4(BigInt(flow[WORD.nwSrc]!)),
      formatIpv4(BigInt(flow[WORD.nwDst]!)),
    ];
    return `nw_src=${from},tp_src=${source},nw_dst=${to},tp_dst=${destination}`;
  }
  const [from, to] = [formatIpv6(wide(WORD.ipv6Src)), formatIpv6(wide(WORD.ipv6Dst))];
  return `ipv6_src=[${from}],tp_src=${source},ipv6_dst=[${to}],tp_dst=${destination}`;
}
