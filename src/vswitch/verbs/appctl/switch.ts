// Verbs of ovs-appctl about the switch as a whole: its clock, its bridges, its end. Main thread.
import type { Call, Verb } from "../call.js";
import { Refusal } from "./refusal.js";

function version(call: Call): void {
  call.out("ovs-vswitchd (Open vSwitch) 3.1.0\n");
}

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

/** Log levels are accepted, so that scripts which set them run; there is no such log here. */
function vlogSet(): void {
  return undefined;
}

function coverage(call: Call): void {
  call.out("Event coverage is not counted here; see `packetpath` reports for drops by name.\n");
}

function ofprotoList(call: Call): void {
  for (const bridge of call.control.bridges()) call.out(`${bridge.name}\n`);
}

function exit(call: Call): void {
  call.control.exit();
}

export const SWITCH_VERBS: readonly Verb[] = [
  { name: "version", min: 0, max: 0, usage: "", run: version },
  { name: "vlog/set", min: 0, max: Infinity, usage: "{spec}", run: vlogSet },
  { name: "coverage/show", min: 0, max: 0, usage: "", run: coverage },
  { name: "time/stop", min: 0, max: 0, usage: "", run: timeStop },
  { name: "time/warp", min: 1, max: 2, usage: "[large_msecs] msecs", run: timeWarp },
  { name: "ofproto/list", min: 0, max: 0, usage: "", run: ofprotoList },
  { name: "exit", min: 0, max: 1, usage: "[--cleanup]", run: exit },
];
