// The verbs of ovs-ofctl about the switch and its ports: show, dump-ports, mod-port and their kin
// (lib/ofp-port.c, lib/ofp-print.c of Open vSwitch 3.1). Main thread.
import { OFPP } from "../../../flow/types.js";
import { formatDuration } from "../../../ofctl/dump-flows.js";
import { formatPort, parsePort } from "../../../ofctl/text/ports.js";
import { type BridgeControl, PORT_CONFIG, type PortView } from "../../control.js";
import { type Call, type Verb, VerbError } from "../call.js";
import { bridgeOf, namesShown } from "./bridge.js";
import { fragmentMode } from "./features/fragments.js";
import { versionOf } from "./formats.js";
import { describePort, openFlowName, sayableBits } from "./port-text.js";

/** Header of a reply: `OFPST_PORT reply (OF1.3) (xid=0x2):`. */
export function replyHead(call: Call, message: string, transaction = 2): string {
  const version = versionOf(call);
  const text = version === 10 ? "" : ` (OF${(version / 10).toFixed(1)})`;
  return `${message}${text} (xid=0x${transaction.toString(16)}):`;
}

function show(call: Call): void {
  const bridge = bridgeOf(call);
  const isOld = versionOf(call) === 10;
  // Since OpenFlow 1.3 the ports are asked for apart.
  const isApart = versionOf(call) >= 13;
  const head = replyHead(call, "OFPT_FEATURES_REPLY");
  call.out(`${head} dpid:${bridge.datapathId}\nn_tables:254, n_buffers:0\n`);
  call.out("capabilities: FLOW_STATS TABLE_STATS PORT_STATS");
  if (isOld) {
    call.out(
      " QUEUE_STATS ARP_MATCH_IP\nactions: output enqueue set_vlan_vid set_vlan_pcp strip_vlan " +
        "mod_dl_src mod_dl_dst mod_nw_src mod_nw_dst mod_nw_tos mod_tp_src mod_tp_dst\n",
    );
  } else {
    const bundles = versionOf(call) >= 14 ? " BUNDLES" : "";
    call.out(` GROUP_STATS QUEUE_STATS${bundles}\n`);
    if (isApart) call.out(`${replyHead(call, "OFPST_PORT_DESC reply", 3)}\n`);
  }
  for (const port of bridge.ports()) call.out(describePort(port, versionOf(call)));
  const config = replyHead(call, "OFPT_GET_CONFIG_REPLY", isApart ? 5 : 4);
  const frags = fragmentMode(bridge.pipeline.ports.switchFlags());
  call.out(`${config} frags=${frags} miss_send_len=0\n`);
}

/** The port that an argument names or numbers, or null. */
function findPort(bridge: BridgeControl, text: string): PortView | null {
  const number = /^[0-9]+$/.test(text) ? Number(text) : text === "LOCAL" ? OFPP.local : -1;
  return (
    bridge.ports().find((port) => openFlowName(port) === text || port.number === number) ?? null
  );
}

/** A port that a question is about, and the transaction in which the question is then put. */
export interface AskedPort {
  readonly number: number;
  readonly xid: number;
}

/**
 * The port that an argument of a question names. Numbers and reserved names are asked for whether
 * there is such a port or not; other names are looked up first.
 */
export function askedPort(bridge: BridgeControl, text: string): AskedPort {
  const number = parsePort(text, new Map());
  if (number !== null) return { number, xid: 2 };
  const port = bridge.ports().find((one) => openFlowName(one) === text);
  if (port === undefined) throw new VerbError(`${bridge.name}: unknown port \`${text}'`);
  return { number: port.number, xid: 4 };
}

function portArgument(bridge: BridgeControl, text: string): PortView {
  const found = findPort(bridge, text);
  if (found !== null) return found;
  throw new VerbError(`${bridge.name}: couldn't find port \`${text}'`);
}

function describePorts(call: Call): void {
  const bridge = bridgeOf(call);
  const only = call.args[1];
  // Before OpenFlow 1.5 nobody could ask for one port.
  const asked = only === undefined || versionOf(call) !== 15 ? null : askedPort(bridge, only);
  call.out(`${replyHead(call, "OFPST_PORT_DESC reply", asked?.xid)}\n`);
  for (const port of bridge.ports()) {
    if (asked === null || port.number === asked.number)
      call.out(describePort(port, versionOf(call)));
  }
}

function portStats(call: Call): void {
  const bridge = bridgeOf(call);
  const only = call.args[1];
  const asked = only === undefined ? null : askedPort(bridge, only);
  const local = bridge.ports().filter((port) => port.number === OFPP.local);
  const others = bridge.ports().filter((port) => port.number !== OFPP.local);
  const ports = [...local, ...others].filter(({ number }) => {
    return asked === null || number === asked.number;
  });
  call.out(`${replyHead(call, "OFPST_PORT reply", asked?.xid)} ${ports.length} ports\n`);
  const now = call.control.clock.nowMs();
  const { portNames } = namesShown(call, bridge);
  for (const port of ports) {
    const { rxPackets, rxBytes, txPackets, txBytes } = bridge.portStats(port.number);
    const name = formatPort(port.number, portNames);
    call.out(
      `  port ${port.number === OFPP.local ? name : name.padStart(2)}: rx pkts=${rxPackets}, ` +
        `bytes=${rxBytes}, drop=?, errs=?, frame=?, over=?, crc=?\n` +
        `           tx pkts=${txPackets}, bytes=${txBytes}, drop=?, errs=?, coll=?\n`,
    );
    if (versionOf(call) < 13 || port.addedMs === undefined) continue;
    call.out(`           duration=${formatDuration((now - port.addedMs) / 1000)}\n`);
  }
}

/** What `mod-port` can say: which bit, and whether the word sets or clears it. */
const PORT_WORDS: readonly (readonly [string, number])[] = [
  ["down", PORT_CONFIG.down],
  ["no-stp", PORT_CONFIG.noStp],
  ["no-receive", PORT_CONFIG.noReceive],
  ["no-receive-stp", PORT_CONFIG.noReceiveStp],
  ["no-flood", PORT_CONFIG.noFlood],
  ["no-forward", PORT_CONFIG.noForward],
  ["no-packet-in", PORT_CONFIG.noPacketIn],
];

async function modifyPort(call: Call): Promise<void> {
  const bridge = bridgeOf(call);
  const word = call.args[2]!.toLowerCase();
  const port = portArgument(bridge, call.args[1]!);
  for (const [name, bit] of PORT_WORDS) {
    const opposite = name === "down" ? "up" : name.slice(3);
    const spellings = [name, name.replace("no-", "no")];
    const own = sayableBits(bit, versionOf(call));
    if (spellings.includes(word)) return bridge.setPortConfig(port.number, own, own);
    if (word === opposite) return bridge.setPortConfig(port.number, 0, own);
  }
  throw new VerbError(`unknown mod-port command '${call.args[2]}'`);
}

function describeSwitch(call: Call): void {
  bridgeOf(call);
  call.out(
    `${replyHead(call, "OFPST_DESC reply")}\nManufacturer: Nicira, Inc.\n` +
      "Hardware: Open vSwitch\nSoftware: 3.1.0\nSerial Num: None\nDP Description: None\n",
  );
}

export const PORT_VERBS: readonly Verb[] = [
  { name: "probe", min: 1, max: 1, usage: "SWITCH", run: (call) => void bridgeOf(call) },
  { name: "show", min: 1, max: 1, usage: "SWITCH", run: show },
  { name: "dump-desc", min: 1, max: 1, usage: "SWITCH", run: describeSwitch },
  { name: "dump-ports", min: 1, max: 2, usage: "SWITCH [PORT]", run: portStats },
  { name: "dump-ports-desc", min: 1, max: 2, usage: "SWITCH [PORT]", run: describePorts },
  { name: "mod-port", min: 3, max: 3, usage: "SWITCH IFACE ACT", run: modifyPort },
];
