// ofproto/trace of ovs-appctl: the trace room does it, on the bridges of the switch; and a verb of
// our own that traces the next frame that a port really gets. Main thread.
import { PacketpathError } from "../../../base/errors.js";
import { traceCommand, tracePacketOut } from "../../../trace/arguments.js";
import { formatTrace, traceJson } from "../../../trace/print.js";
import { givesFrames } from "../../live-frame.js";
import type { Call, Verb } from "../call.js";
import { missingFor } from "../ofctl/packet-out.js";
import { bridgeNamed } from "./fdb.js";
import { Refusal } from "./refusal.js";

/** Other callers wait meanwhile, hence the bound. */
const WAIT_MS_MAX = 60_000;
const WAIT_MS = 5000;

function trace(call: Call): void {
  try {
    call.out(formatTrace(traceCommand(call.control.bridges(), call.args)));
  } catch (error) {
    if (!(error instanceof PacketpathError)) throw error;
    throw new Refusal(error.message);
  }
}

/** The actions of a packet-out, traced. */
function traceActions(call: Call): void {
  const bridges = call.control.bridges();
  try {
    const found = tracePacketOut(bridges, call.args, ({ name }, actions) =>
      missingFor(bridgeNamed(call, name), actions),
    );
    call.out(formatTrace(found));
  } catch (error) {
    if (!(error instanceof PacketpathError)) throw error;
    throw new Refusal(error.message);
  }
}

/** `packetpath/trace-live PORT [--json] [--wait=MS]` */
async function traceLive(call: Call): Promise<void> {
  const { control, args } = call;
  const [name = "", ...flags] = args;
  if (!givesFrames(control))
    throw new Refusal("the ports of this switch get no frames by themselves");
  const [bridge, port] = control
    .bridges()
    .flatMap((one) => one.ports().map((each) => [one, each] as const))
    .find(([, each]) => each.name === name || String(each.number) === name) ?? [null, null];
  if (bridge === null || port === null) throw new Refusal(`${name}: no such port`);
  const wait = Number(flags.find((flag) => flag.startsWith("--wait="))?.slice(7) ?? WAIT_MS);
  if (!(wait > 0 && wait <= WAIT_MS_MAX)) {
    throw new Refusal(`--wait: expected milliseconds, at most ${WAIT_MS_MAX}`);
  }
  const frame = await control.nextFrame(port.number, wait);
  if (frame === null) throw new Refusal(`no frame came from ${name} within ${wait} ms`);
  const hex = Array.from(frame, (byte) => byte.toString(16).padStart(2, "0")).join("");
  // Looked at only: what the frame teaches, it has taught when it came.
  const found = traceCommand([bridge], [bridge.name, `in_port=${port.number}`, hex], false);
  call.out(flags.includes("--json") ? `${JSON.stringify(traceJson(found))}\n` : formatTrace(found));
}

export const TRACE_VERBS: readonly Verb[] = [
  {
    name: "ofproto/trace",
    min: 1,
    max: Infinity,
    usage: "{[dp_name] odp_flow | bridge br_flow} [OPTIONS...] [-generate|packet]",
    run: trace,
  },
  {
    name: "ofproto/trace-packet-out",
    min: 2,
    max: Infinity,
    usage:
      "[-consistent] {[dp_name] odp_flow | bridge br_flow} [OPTIONS...] [-generate|packet] actions",
    run: traceActions,
  },
  {
    name: "packetpath/trace-live",
    min: 1,
    max: 3,
    usage: "port [--json] [--wait=MS]",
    run: traceLive,
  },
];
