// Verbs of ovs-appctl about the switch as a whole: its clock, its bridges, its end. Main thread.
import { formatPriorityAndMatch } from "../../../ofctl/format.js";
import { printActions } from "../../../ofctl/print/format-actions.js";
import { FATES, type Misses } from "../../../pipeline/tables/own-records.js";
import type { Call, Verb } from "../call.js";
import { Refusal } from "./refusal.js";

function version(call: Call): void {
  call.out("ovs-vswitchd (Open vSwitch) 3.1.0\n");
}

/** The table of Open vSwitch's own flows: what becomes of packets that meet none. */
const OWN_TABLE = 254;

/** Time belongs to whoever has real ports. */
function checkDummy(call: Call): void {
  if (call.control.kind === "dummy") return;
  throw new Refusal("the ports of this switch are real, and so is its time");
}

function timeStop(call: Call): void {
  checkDummy(call);
  call.control.clock.stop();
}

async function timeWarp(call: Call): Promise<void> {
  checkDummy(call);
  const [total, step] = [call.args[0]!, call.args[1] ?? call.args[0]!].map(readMs) as [
    number,
    number,
  ];
  // In steps, so that what is due in between happens at its own time.
  for (let done = 0; done < total; done += step) {
    call.control.clock.warp(Math.min(step, total - done));
    await call.control.run();
  }
  call.out("warped\n");
}

function readMs(text: string): number {
  const ms = /^[0-9]+$/.test(text) ? Number(text) : 0;
  if (ms === 0) throw new Refusal("invalid MSECS");
  return ms;
}

function vlogSet(call: Call): void {
  for (const spec of call.args) call.control.log.set(spec);
}

function coverage(call: Call): void {
  call.out("Event coverage is not counted here; see `packetpath` reports for drops by name.\n");
}

/** The flows of a bridge as it sees them itself, with those of Open vSwitch's own table. */
function dumpOwnFlows(call: Call): void {
  const offloads = call.args.includes("--offload-stats");
  const name = call.args.find((arg) => arg !== "--offload-stats") ?? "";
  const bridge = call.control.bridges().find((one) => one.name === name);
  if (bridge === undefined) throw new Refusal("Unknown bridge");
  const now = call.control.clock.nowMs();
  const line = (table: number, ageMs: number, counts: Misses, rest: string): void => {
    const where = table === 0 ? "" : `table_id=${table}, `;
    const offloaded = offloads ? "n_offload_packets=0, n_offload_bytes=0, " : "";
    const duration = Math.floor(ageMs / 1000);
    call.out(
      `${where}duration=${duration}s, n_packets=${counts.packets}, ` +
        `n_bytes=${counts.bytes}, ${offloaded}${rest}\n`,
    );
  };
  for (const entry of bridge.tables.entries()) {
    const { flow, match, priority } = entry;
    const text = formatPriorityAndMatch(priority, match, {});
    const actions = printActions(flow.actions, {});
    line(flow.table, now - entry.addedMs, bridge.flowStats(entry), `${text},actions=${actions}`);
  }
  const { own } = bridge.tables;
  line(OWN_TABLE, 0, { packets: 0, bytes: 0 }, "priority=2,recirc_id=0,actions=drop");
  for (const [i, fate] of FATES.entries()) {
    const actions = fate === "packet-in" ? "controller(reason=)" : "drop";
    const rest = `priority=0,reg0=0x${i + 1},actions=${actions}`;
    line(OWN_TABLE, 0, bridge.misses(own.ofFate(fate)), rest);
  }
}

function readCounter(): never {
  throw new Refusal("No such counter");
}

function ofprotoList(call: Call): void {
  for (const bridge of call.control.bridges()) call.out(`${bridge.name}\n`);
}

function exit(call: Call): void {
  call.control.exit();
}

export const SWITCH_VERBS: readonly Verb[] = [
  {
    name: "bridge/dump-flows",
    min: 1,
    max: 2,
    usage: "[--offload-stats] bridge",
    run: dumpOwnFlows,
  },
  { name: "coverage/read-counter", min: 1, max: 1, usage: "COUNTER", run: readCounter },
  { name: "version", min: 0, max: 0, usage: "", run: version },
  { name: "vlog/close", min: 0, max: 0, usage: "", run: (call) => call.control.log.close() },
  { name: "vlog/reopen", min: 0, max: 0, usage: "", run: (call) => call.control.log.reopen() },
  { name: "vlog/set", min: 0, max: Infinity, usage: "{spec}", run: vlogSet },
  { name: "coverage/show", min: 0, max: 0, usage: "", run: coverage },
  { name: "time/stop", min: 0, max: 0, usage: "", run: timeStop },
  { name: "time/warp", min: 1, max: 2, usage: "[large_msecs] msecs", run: timeWarp },
  { name: "ofproto/list", min: 0, max: 0, usage: "", run: ofprotoList },
  { name: "exit", min: 0, max: 1, usage: "[--cleanup]", run: exit },
];
