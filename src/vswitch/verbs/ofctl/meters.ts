// The verbs of ovs-ofctl about meters: add-meter, dump-meters, meter-stats and their kin, and what
// a switch does with them (ofproto/ofproto.c of Open vSwitch 3.1). Main thread.
import type { Meter } from "../../../flow/types.js";
import { formatDuration } from "../../../ofctl/dump-flows.js";
import {
  checkMeterMod,
  formatDumpMeters,
  formatMeterMod,
  METER_ALL,
  type MeterCommand,
  type MeterMod,
  meterOfMod,
  parseMeterMod,
} from "../../../ofctl/meters.js";
import { FORMATS } from "../../../ofctl/protocols.js";
import type { FlowChange, FlowEntry } from "../../../pipeline/flow-tables.js";
import type { BridgeControl } from "../../control.js";
import type { Call, Verb } from "../call.js";
import { bridgeOf } from "./bridge.js";
import { parsing } from "./flow-texts.js";
import { versionFor } from "./formats.js";
import { messageHead, refusal } from "./refusals.js";

function readMod(call: Call, command: MeterCommand): MeterMod {
  const text = call.args[1] ?? "all";
  const whole = /^(all|[0-9]+|0x[0-9a-f]+)$/i.test(text) ? `meter=${text}` : text;
  return parsing(null, () => parseMeterMod(whole, command));
}

function metersOfFlow(entry: FlowEntry): number[] {
  return entry.flow.actions.flatMap((one) => (one.type === "meter" ? [one.meter] : []));
}

/** Flows that use a meter go with it. */
async function deleteMeters(bridge: BridgeControl, ids: readonly number[]): Promise<void> {
  const doomed = bridge.tables
    .entries()
    .filter((entry) => metersOfFlow(entry).some((id) => ids.includes(id)));
  const changes = doomed.map(({ flow, match, priority }): FlowChange => {
    return { type: "delete", selector: { table: flow.table, match, priority, strict: true } };
  });
  if (changes.length > 0) await bridge.apply(changes);
  for (const id of ids) bridge.meters.delete(id);
}

async function meterMod(call: Call, command: MeterCommand): Promise<void> {
  const bridge = bridgeOf(call);
  const version = versionFor(call, FORMATS.openFlow13Up);
  const mod = readMod(call, command);
  const text = ` ${formatMeterMod(mod)}`;
  const refuse = (error: string): never => {
    throw refusal(error, { name: "OFPT_METER_MOD", version, xid: 2, text });
  };
  const error = checkMeterMod(mod);
  if (error !== null) refuse(error);
  const known = bridge.meters.get(mod.meter);
  if (command === "delete") {
    const all = bridge.meters.entries().map((meter) => meter.id);
    return deleteMeters(bridge, mod.meter === METER_ALL ? all : [mod.meter]);
  }
  if (command === "add" && known !== null) refuse("OFPMMFC_METER_EXISTS");
  if (command === "modify" && known === null) refuse("OFPMMFC_UNKNOWN_METER");
  bridge.meters.set(meterOfMod(mod), call.control.clock.nowMs());
}

function selected(call: Call, bridge: BridgeControl): Meter[] {
  const mod = readMod(call, "query");
  return bridge.meters.entries().filter(({ id }) => mod.meter === METER_ALL || id === mod.meter);
}

function dumpMeters(call: Call): void {
  const bridge = bridgeOf(call);
  const version = versionFor(call, FORMATS.openFlow13Up);
  call.out(formatDumpMeters(selected(call, bridge), version));
}

function meterStats(call: Call): void {
  const bridge = bridgeOf(call);
  const version = versionFor(call, FORMATS.openFlow13Up);
  call.out(`${messageHead("OFPST_METER reply", version, 2)}\n`);
  const flows = bridge.tables.entries();
  const texts = selected(call, bridge).map(({ id }) => {
    const stats = bridge.meters.table.stats(id)!;
    const duration = formatDuration((call.control.clock.nowMs() - stats.addedMs) / 1000);
    const users = flows.filter((entry) => metersOfFlow(entry).includes(id)).length;
    const bands = stats.bands.map(
      ({ packets, bytes }, i) => `${i}: packet_count:${packets} byte_count:${bytes}\n`,
    );
    return (
      `meter:${id} flow_count:${users} packet_in_count:${stats.packets} ` +
      `byte_in_count:${stats.bytes} duration:${duration} bands:\n${bands.join("")}`
    );
  });
  call.out(texts.join("\n"));
}

const changer = (name: string, command: MeterCommand, min: number): Verb => ({
  name,
  min,
  max: 2,
  usage: "SWITCH METER",
  run: (call) => meterMod(call, command),
});

const printer = (name: string, run: (call: Call) => void): Verb => ({
  name,
  min: 1,
  max: 2,
  usage: "SWITCH [METER]",
  run,
});

export const METER_VERBS: readonly Verb[] = [
  changer("add-meter", "add", 2),
  changer("mod-meter", "modify", 2),
  changer("del-meter", "delete", 2),
  changer("del-meters", "delete", 1),
  printer("dump-meter", dumpMeters),
  printer("dump-meters", dumpMeters),
  printer("meter-stats", meterStats),
];
