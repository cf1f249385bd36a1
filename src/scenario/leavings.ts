// What a switch leaves when it has stopped, beside its books: the flow table with its counters and
// the captures of its ports. Main thread, after the workers have ended.
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { nowMs, realClock } from "../base/clock.js";
import { formatDumpFlows } from "../ofctl/dump-flows.js";
import { FlowTables, sumFlowStats } from "../pipeline/flow-tables.js";
import { mergeCaptures } from "../report/pcapng.js";
import { captureFileName } from "../worker/capture.js";
import type { Lab } from "./lab.js";

/** The flow table as `ovs-ofctl dump-flows` prints it. @param sinceMs when the flows were added. */
export function dumpFlows(lab: Lab, sinceMs: number): string {
  const records = lab.parts.switch.flowRecords.map((shared) => new Float64Array(shared));
  // A replica that got the same changes gives the flows the same records as the workers' do.
  const tables = new FlowTables({ clock: realClock });
  tables.apply(lab.parts.switch.flows.map((flow) => ({ type: "add", flow })));
  const now = nowMs();
  const durationSeconds = (now - sinceMs) / 1000;
  const dump = tables.entries().map((entry) => {
    const { packets, bytes, usedMs } = sumFlowStats(entry, records);
    const idle = usedMs === 0 ? durationSeconds : (now - usedMs) / 1000;
    const idleAgeSeconds = Math.floor(idle);
    const hardAgeSeconds = Math.floor(durationSeconds);
    const stats = { durationSeconds, packets, bytes, idleAgeSeconds, hardAgeSeconds };
    return { flow: entry.flow, stats };
  });
  return formatDumpFlows(dump);
}

/** Joins the workers' captures of each port to `<port>.pcapng`; answers the files' paths. */
export function joinCaptures(lab: Lab, folder: string): string[] {
  const files: string[] = [];
  for (const port of lab.scenario.ports) {
    if (!port.capture) continue;
    const parts: string[] = [];
    for (let worker = 0; worker < lab.scenario.workers; worker++) {
      const part = join(folder, captureFileName(port.name, worker));
      if (existsSync(part)) parts.push(part);
    }
    const whole = join(folder, `${port.name}.pcapng`);
    mergeCaptures(parts, whole);
    for (const part of parts) rmSync(part);
    files.push(whole);
  }
  return files;
}
