// Verbs of ovs-appctl about the MAC table: fdb/show, fdb/add and their kin (ofproto-dpif.c of Open
// vSwitch 3.1). Main thread.
import { OFPP } from "../../../flow/types.js";
import { MAC_COUNTER } from "../../../pipeline/mac-table.js";
import { formatPort } from "../../../ofctl/text/ports.js";
import type { BridgeControl } from "../../control.js";
import type { Call, Verb } from "../call.js";
import { Refusal } from "./refusal.js";

export function bridgeNamed(call: Call, name: string): BridgeControl {
  const found = call.control.bridges().find((bridge) => bridge.name === name);
  if (found === undefined) throw new Refusal("no such bridge");
  return found;
}

function seconds(call: Call): number {
  return Math.floor(call.control.clock.nowMs() / 1000);
}

function show(call: Call): void {
  const bridge = bridgeNamed(call, call.args[0]!);
  call.out(" port  VLAN  MAC                Age\n");
  for (const entry of bridge.macs.entries(seconds(call))) {
    const port = formatPort(entry.port).padStart(5);
    const age = entry.isStatic ? "static" : String(entry.ageSeconds).padStart(3);
    call.out(`${port}  ${String(entry.vlan).padStart(4)}  ${entry.mac}  ${age}\n`);
  }
}

function showStats(call: Call): void {
  const { name, macs } = bridgeNamed(call, call.args[0]!);
  macs.expire(seconds(call));
  const lines: readonly (readonly [string, number | string])[] = [
    ["Current/maximum MAC entries in the table:", `${macs.size}/${macs.maxEntries}`],
    ["Current static MAC entries in the table :", macs.staticEntries],
    ["Total number of learned MAC entries     :", macs.counter(MAC_COUNTER.learned)],
    ["Total number of expired MAC entries     :", macs.counter(MAC_COUNTER.expired)],
    ["Total number of evicted MAC entries     :", macs.counter(MAC_COUNTER.evicted)],
    ["Total number of port moved MAC entries  :", macs.counter(MAC_COUNTER.moved)],
  ];
  call.out(`Statistics for bridge "${name}":\n`);
  for (const [title, value] of lines) call.out(`  ${title} ${value}\n`);
}

/** The bridge of the first argument, or all of them. */
function someBridges(call: Call): readonly BridgeControl[] {
  const name = call.args[0];
  return name === undefined ? call.control.bridges() : [bridgeNamed(call, name)];
}

function clearStats(call: Call): void {
  for (const { macs } of someBridges(call)) macs.clearCounters();
  call.out("statistics successfully cleared\n");
}

function flush(call: Call): void {
  for (const { macs } of someBridges(call)) macs.flush();
  call.out("table successfully flushed\n");
}

/** `aa:bb:cc:dd:ee:ff`, as its first four bytes and its last two; digits may be left out. */
function readMac(text: string): { high: number; low: number } {
  const parts = text.split(":");
  const isMac = parts.length === 6 && parts.every((part) => /^[0-9a-fA-F]{1,2}$/.test(part));
  if (!isMac) throw new Refusal("bad MAC address");
  const [a, b, c, d, e, f] = parts.map((part) => Number.parseInt(part, 16)) as [
    ...[number, number, number, number, number, number],
  ];
  return { high: ((a << 24) | (b << 16) | (c << 8) | d) >>> 0, low: (e << 8) | f };
}

function readVlan(text: string): number {
  const vlan = Number.parseInt(text, 10) || 0;
  if (vlan >= 0 && vlan <= 4095) return vlan;
  throw new Refusal(`${text}: a VLAN is 0 to 4095`);
}

function add(call: Call): void {
  const [bridgeName, portName, vlan, mac] = call.args as [string, string, string, string];
  const bridge = bridgeNamed(call, bridgeName);
  const { high, low } = readMac(mac);
  const port = bridge.ports().find((one) => one.name === portName);
  if (port === undefined || port.number === OFPP.local) {
    throw new Refusal("software error, odp port is present but no ofp port");
  }
  const known = entryOf(call, bridge, readVlan(vlan), mac);
  if (known !== undefined && (known.port !== port.number || !known.isStatic)) {
    const kind = known.isStatic ? "static" : "dynamic";
    call.out(`Overriding already existing ${kind} entry on ${formatPort(known.port)}\n`);
  }
  const generation = bridge.pipeline.ports.generationOf(port.number);
  const more = { generation, nowSeconds: seconds(call), isStatic: true };
  bridge.macs.learn(high, low, readVlan(vlan), port.number, more);
}

function entryOf(call: Call, bridge: BridgeControl, vlan: number, mac: string) {
  const wanted = mac.toLowerCase();
  const entries = bridge.macs.entries(seconds(call));
  return entries.find((entry) => entry.vlan === vlan && entry.mac === wanted);
}

function remove(call: Call): void {
  const [bridgeName, vlan, mac] = call.args as [string, string, string];
  const bridge = bridgeNamed(call, bridgeName);
  const { high, low } = readMac(mac);
  const number = readVlan(vlan);
  if (entryOf(call, bridge, number, mac)?.isStatic !== true) {
    throw new Refusal("could not find static mac entry\n");
  }
  bridge.macs.remove(high, low, number);
}

export const FDB_VERBS: readonly Verb[] = [
  { name: "fdb/show", min: 1, max: 1, usage: "bridge", run: show },
  { name: "fdb/stats-show", min: 1, max: 1, usage: "bridge", run: showStats },
  { name: "fdb/stats-clear", min: 0, max: 1, usage: "[bridge]", run: clearStats },
  { name: "fdb/flush", min: 0, max: 1, usage: "[bridge]", run: flush },
  { name: "fdb/add", min: 4, max: 4, usage: "bridge port vlan mac", run: add },
  { name: "fdb/del", min: 3, max: 3, usage: "bridge vlan mac", run: remove },
];
