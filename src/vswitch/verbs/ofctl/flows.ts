// The verbs of ovs-ofctl about flows: add-flow, mod-flows, del-flows, dump-flows and their kin.
// Main thread.
import { PacketpathError } from "../../../base/errors.js";
import type { Flow } from "../../../flow/types.js";
import { formatDumpFlows } from "../../../ofctl/dump-flows.js";
import { formatFlow } from "../../../ofctl/format.js";
import { parseFlow, parseFlows } from "../../../ofctl/parse.js";
import type { BridgeControl } from "../../control.js";
import { type Call, type Verb, VerbError } from "../call.js";
import { has } from "../options.js";
import { bridgeOf, portMap } from "./bridge.js";

function asVerbError(error: unknown): unknown {
  return error instanceof PacketpathError ? new VerbError(error.message) : error;
}

async function addFlow(call: Call): Promise<void> {
  const bridge = bridgeOf(call);
  const flows = await readFlowArgument(call, bridge);
  await bridge.apply(flows.map((flow) => ({ type: "add", flow })));
}

async function addFlows(call: Call): Promise<void> {
  const bridge = bridgeOf(call);
  const flows = await readFlowFile(call, bridge, call.args[1]!);
  await bridge.apply(flows.map((flow) => ({ type: "add", flow })));
}

async function readFlowArgument(call: Call, bridge: BridgeControl): Promise<readonly Flow[]> {
  const text = call.args[1]!;
  if (text === "-") return readFlowFile(call, bridge, "-");
  try {
    return [parseFlow(text, { ports: portMap(bridge) })];
  } catch (error) {
    throw asVerbError(error);
  }
}

async function readFlowFile(call: Call, bridge: BridgeControl, name: string): Promise<Flow[]> {
  const text = await call.file(name);
  try {
    return parseFlows(text, { ports: portMap(bridge), file: name });
  } catch (error) {
    throw asVerbError(error);
  }
}

function dumpFlows(call: Call): void {
  const bridge = bridgeOf(call);
  const nowMs = call.control.clock.nowMs();
  const entries = bridge.tables.entries({});
  if (has(call.options, "no-stats")) {
    for (const entry of entries) call.out(` ${formatFlow(entry.flow)}\n`);
    return;
  }
  const rows = entries.map((entry) => {
    const { packets, bytes, usedMs } = bridge.flowStats(entry);
    const used = Math.max(usedMs, entry.addedMs);
    const stats = {
      durationSeconds: (nowMs - entry.addedMs) / 1000,
      packets,
      bytes,
      idleAgeSeconds: Math.floor((nowMs - used) / 1000),
      hardAgeSeconds: Math.floor((nowMs - entry.modifiedMs) / 1000),
    };
    return { flow: entry.flow, stats };
  });
  call.out(formatDumpFlows(rows));
}

export const FLOW_VERBS: readonly Verb[] = [
  { name: "add-flow", min: 2, max: 2, usage: "SWITCH FLOW", run: addFlow },
  { name: "add-flows", min: 2, max: 2, usage: "SWITCH FILE", run: addFlows },
  { name: "dump-flows", min: 1, max: 2, usage: "SWITCH [FLOW]", run: dumpFlows },
];
