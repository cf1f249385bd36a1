// dpctl/dump-flows and dpif/dump-flows of ovs-appctl: the flows of the datapath (lib/dpctl.c,
// ofproto-dpif.c of Open vSwitch 3.1). Main thread.
import { newKey, WORD } from "../../../flow/key.js";
import type { Megaflow } from "../../../flow/odp.js";
import { formatOdpActions, type OdpNames } from "../../../ofctl/odp/format-odp-actions.js";
import { formatOdpFlow } from "../../../ofctl/odp/format-odp-flow.js";
import { datapathNames } from "../../../trace/trace.js";
import type { BridgeControl } from "../../control.js";
import type { Call, Verb } from "../call.js";
import { has } from "../options.js";
import { bridgeNamed } from "./fdb.js";
import { Refusal } from "./refusal.js";

function usedText(flow: Megaflow, nowMs: number): string {
  // The packet that made the flow is not counted: until the next, it was never used.
  if (flow.packets === 0) return "never";
  return `${(Math.max(0, nowMs - flow.usedMs) / 1000).toFixed(3)}s`;
}

/** All words of a key: megaflows of packets that did not come round keep the packet's only. */
function whole(words: Uint32Array): Uint32Array {
  const key = newKey();
  key.set(words);
  return key;
}

function line(flow: Megaflow, names: OdpNames, nowMs: number): string {
  const key = whole(flow.key);
  const text = formatOdpFlow(key, whole(flow.mask), names.port(key[WORD.inPort]!));
  const actions = formatOdpActions(flow.actions, flow.operands, key, names);
  const used = usedText(flow, nowMs);
  const counts = `packets:${flow.packets}, bytes:${flow.bytes}, used:${used}`;
  return `${text}, ${counts}, actions:${actions}\n`;
}

async function lines(call: Call, bridge: BridgeControl): Promise<string[]> {
  const names = datapathNames(
    bridge.ports(),
    call.args.includes("--names") || has(call.options, "names"),
  );
  const nowMs = call.control.clock.nowMs();
  return (await bridge.megaflows()).map((flow) => line(flow, names, nowMs));
}

/** Options that change nothing here, and the one that is refused. */
function checkArguments(call: Call): string[] {
  const known = ["--names", "--no-names", "--all", "--ordered"];
  const rest: string[] = [];
  for (const arg of call.args) {
    if (arg === "-m" || arg === "--more") {
      throw new Refusal("-m is not supported here: flows of this datapath have no ufid");
    }
    if (!known.includes(arg)) rest.push(arg);
  }
  return rest;
}

async function dumpDatapath(call: Call): Promise<void> {
  const rest = checkArguments(call);
  for (const arg of rest) {
    if (/^(filter|type|pmd)=/.test(arg)) {
      throw new Refusal(`${arg}: filters are not supported here`);
    }
    const names = ["ovs-dummy", "dummy@ovs-dummy", "ovs-netdev", "netdev@packetpath"];
    if (names.includes(arg)) continue;
    throw new Refusal("ovs-vswitchd: datapath not found (Invalid argument)");
  }
  const all: string[] = [];
  for (const bridge of call.control.bridges()) all.push(...(await lines(call, bridge)));
  if (all.length > 0) call.out(`flow-dump from the main thread:\n${all.join("")}`);
}

async function dumpBridge(call: Call): Promise<void> {
  const [name] = checkArguments(call);
  call.out((await lines(call, bridgeNamed(call, name ?? ""))).join(""));
}

export const DUMP_VERBS: readonly Verb[] = [
  {
    name: "dpctl/dump-flows",
    min: 0,
    max: 6,
    usage: "[--names] [dp]",
    run: dumpDatapath,
  },
  {
    name: "dpif/dump-flows",
    min: 1,
    max: 2,
    usage: "[--names | --no-names] bridge",
    run: dumpBridge,
  },
];
