// The verbs of ovs-ofctl that forget connections (utilities/ovs-ofctl.c of Open vSwitch 3.1).
// Main thread.
import { parseUnsigned } from "../../../../ofctl/text/scan.js";
import { type Call, type Verb, VerbError } from "../../call.js";
import { CtMatchError, flushConnections, parseCtMatch } from "../../ct-match.js";
import { bridgeOf } from "../bridge.js";

function flushZone(call: Call): void {
  const zone = parseUnsigned(call.args[1]!, 0xffff);
  if (zone === null) throw new VerbError(`invalid zone_id "${call.args[1]}"`);
  bridgeOf(call).connections.flush(zone);
}

function flush(call: Call): void {
  const { connections } = bridgeOf(call);
  try {
    flushConnections(connections, parseCtMatch(call.args.slice(1)));
  } catch (error) {
    if (!(error instanceof CtMatchError)) throw error;
    const isZone = error.message === "failed to parse zone";
    const sentence = isZone ? "Failed to parse zone" : `Failed to parse ct-tuple: ${error.message}`;
    throw new VerbError(sentence);
  }
}

export const CONNECTION_VERBS: readonly Verb[] = [
  { name: "ct-flush-zone", min: 2, max: 2, usage: "SWITCH ZONE", run: flushZone },
  {
    name: "ct-flush",
    min: 1,
    max: 4,
    usage: "SWITCH [zone=N] [CT_ORIG_TUPLE [CT_REPLY_TUPLE]]",
    run: flush,
  },
];
