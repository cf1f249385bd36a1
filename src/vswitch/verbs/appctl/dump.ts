// dpctl/dump-flows, dpctl/get-flow and dpif/dump-flows of ovs-appctl: the flows of the datapath
// (lib/dpctl.c, ofproto-dpif.c of Open vSwitch 3.1). Main thread.
import type { Megaflow } from "../../../flow/odp.js";
import type { OdpNames } from "../../../ofctl/odp/format-odp-actions.js";
import { datapathNames } from "../../../trace/trace.js";
import type { BridgeControl } from "../../control.js";
import { megaflowText, ufidOf, wholeKey } from "../../log/megaflow-text.js";
import type { Call, Verb } from "../call.js";
import { has } from "../options.js";
import { DATAPATHS } from "./dpif.js";
import { bridgeNamed } from "./fdb.js";
import { passes, readFilter, type FlowFilter } from "./flow-filter.js";
import { Refusal } from "./refusal.js";

/** Kinds of flows that `type=` selects; nothing is offloaded here. */
const OWN_TYPES = ["ovs", "non-offloaded", "all"];
const OTHER_TYPES = ["tc", "dpdk", "offloaded", "partially-offloaded"];

/** What the arguments of a dump ask for. */
interface Wanted {
  readonly names: boolean;
  /** With an id, and with fields that are not looked at. */
  readonly all: boolean;
  readonly filter: string | null;
  /** Only flows of this kind; the heading is left out. */
  readonly pmd: boolean;
  /** false: flows of a kind that there are none of. */
  readonly ownType: boolean;
  readonly rest: readonly string[];
}

function readWanted(call: Call): Wanted {
  const { args } = call;
  const all = args.some((arg) => arg === "-m" || arg === "--more") || has(call.options, "more");
  const names = args.includes("--names") || has(call.options, "names") || all;
  const valueOf = (name: string): string | null =>
    args.find((arg) => arg.startsWith(`${name}=`))?.slice(name.length + 1) ?? null;
  const types = valueOf("type")?.split(",") ?? ["all"];
  const unknown = types.find((type) => ![...OWN_TYPES, ...OTHER_TYPES].includes(type));
  if (unknown !== undefined) {
    throw new Refusal(`ovs-vswitchd: Failed to parse type (${unknown}) (Invalid argument)`);
  }
  return {
    names: names && !args.includes("--no-names") && !has(call.options, "no-names"),
    all,
    filter: valueOf("filter"),
    pmd: valueOf("pmd") !== null,
    ownType: types.some((type) => OWN_TYPES.includes(type)),
    rest: args.filter((arg) => !/^(-|filter=|type=|pmd=)/.test(arg)),
  };
}

function usedText(flow: Megaflow, nowMs: number): string {
  // The packet that made the flow is not counted: until the next, it was never used.
  if (flow.packets === 0) return "never";
  return `${(Math.max(0, nowMs - flow.usedMs) / 1000).toFixed(3)}s`;
}

interface Dump {
  readonly bridge: BridgeControl;
  readonly wanted: Wanted;
  readonly names: OdpNames;
  readonly nowMs: number;
  /** Of dpctl, which says more than dpif/dump-flows. */
  readonly isDatapath: boolean;
}

function line(flow: Megaflow, dump: Dump): string {
  const { bridge, wanted, names, nowMs, isDatapath } = dump;
  const { all, names: byName } = wanted;
  const { match, actions } = megaflowText(flow, { ports: bridge.ports(), byName, all, names });
  const counts = `packets:${flow.packets}, bytes:${flow.bytes}, used:${usedText(flow, nowMs)}`;
  const ufid = wanted.all ? `ufid:${ufidOf(flow)}${isDatapath ? "," : ""} ` : "";
  const kind = wanted.all && isDatapath ? "dp:ovs, " : "";
  return `${ufid}${match}, ${counts}, ${kind}actions:${actions}\n`;
}

async function lines(
  call: Call,
  bridge: BridgeControl,
  wanted: Wanted,
  isDatapath: boolean,
): Promise<string[]> {
  const filter = wanted.filter === null ? null : filterFor(bridge, wanted.filter);
  const names = datapathNames(bridge, call.control.bridges(), wanted.names);
  const dump = { bridge, wanted, names, nowMs: call.control.clock.nowMs(), isDatapath };
  const flows = (await bridge.megaflows()).filter((flow) => {
    return filter === null || passes(filter, wholeKey(flow.key), wholeKey(flow.mask));
  });
  return flows.map((flow) => line(flow, dump));
}

function filterFor(bridge: BridgeControl, text: string): FlowFilter {
  const numbers = bridge.ports().map(({ name, number }): [string, number] => [name, number]);
  return readFilter(text, new Map(numbers));
}

async function dumpDatapath(call: Call): Promise<void> {
  const wanted = readWanted(call);
  if (wanted.rest.some((name) => !DATAPATHS.includes(name))) {
    throw new Refusal("ovs-vswitchd: datapath not found (Invalid argument)");
  }
  const all: string[] = [];
  for (const bridge of wanted.ownType ? call.control.bridges() : []) {
    all.push(...(await lines(call, bridge, wanted, true)));
  }
  if (all.length === 0) return;
  call.out(`${wanted.pmd ? "" : "flow-dump from the main thread:\n"}${all.join("")}`);
}

async function getFlow(call: Call): Promise<void> {
  const ufid = call.args.at(-1)!.replace(/^ufid:/, "");
  const wanted = { ...readWanted(call), filter: null };
  for (const bridge of call.control.bridges()) {
    const found = (await bridge.megaflows()).find((flow) => ufidOf(flow) === ufid);
    if (found === undefined) continue;
    const names = datapathNames(bridge, call.control.bridges(), wanted.names);
    const nowMs = call.control.clock.nowMs();
    return call.out(line(found, { bridge, wanted, names, nowMs, isDatapath: true }));
  }
  throw new Refusal("ovs-vswitchd: getting flow (No such file or directory)");
}

async function dumpBridge(call: Call): Promise<void> {
  const wanted = readWanted(call);
  const bridge = bridgeNamed(call, wanted.rest[0] ?? "");
  call.out((await lines(call, bridge, wanted, false)).join(""));
}

export const DUMP_VERBS: readonly Verb[] = [
  {
    name: "dpctl/dump-flows",
    min: 0,
    max: 6,
    usage: "[-m] [--names] [dp] [filter=..] [type=..] [pmd=..]",
    run: dumpDatapath,
  },
  { name: "dpctl/get-flow", min: 1, max: 3, usage: "[dp] ufid", run: getFlow },
  {
    name: "dpif/dump-flows",
    min: 1,
    max: 2,
    usage: "[-m] [--names | --no-names] bridge",
    run: dumpBridge,
  },
];
