// ofproto/trace of ovs-appctl: the trace room does it, on the bridges of the switch. Main thread.
import { PacketpathError } from "../../../base/errors.js";
import { traceCommand } from "../../../trace/arguments.js";
import { formatTrace } from "../../../trace/print.js";
import type { Call, Verb } from "../call.js";
import { Refusal } from "./refusal.js";

function trace(call: Call): void {
  try {
    call.out(formatTrace(traceCommand(call.control.bridges(), call.args)));
  } catch (error) {
    if (!(error instanceof PacketpathError)) throw error;
    throw new Refusal(error.message);
  }
}

export const TRACE_VERBS: readonly Verb[] = [
  {
    name: "ofproto/trace",
    min: 1,
    max: Infinity,
    usage: "{[dp_name] odp_flow | bridge br_flow} [OPTIONS...] [-generate|packet]",
    run: trace,
  },
];
