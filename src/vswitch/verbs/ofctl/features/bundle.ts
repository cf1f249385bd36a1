// ovs-ofctl bundle, and what `--bundle` makes of other verbs: messages that the switch does all of
// or none (ofctl_bundle in utilities/ovs-ofctl.c, lib/ofp-bundle.c of Open vSwitch 3.1).
// Main thread.
import { PacketpathError } from "../../../../base/errors.js";
import { leadingCommand } from "../../../../ofctl/flow-mods.js";
import { formatFlowMod } from "../../../../ofctl/format.js";
import { parseGroupFile } from "../../../../ofctl/groups.js";
import { parsePacketOut } from "../../../../ofctl/packet-out.js";
import { parseFlowMod } from "../../../../ofctl/parse.js";
import { FORMATS, type OpenFlowVersion } from "../../../../ofctl/protocols.js";
import { textLines } from "../../../../ofctl/text/place.js";
import type { PortMap } from "../../../../ofctl/text/ports.js";
import type { BridgeControl } from "../../../control.js";
import {
  applyBundle,
  BundleError,
  type BundleMessage,
  unreadableMessage,
} from "../../../mods/bundle.js";
import { quotedGroupMod } from "../../../mods/group-mods.js";
import { type Call, type Verb, VerbError } from "../../call.js";
import { bridgeOf, namesOf } from "../bridge.js";
import { versionFor } from "../formats.js";
import { quotedPacketOut } from "../monitor/packet-text.js";
import { bundleRefusal } from "../refusals.js";

const NAMES = {
  flow: "OFPT_FLOW_MOD",
  group: "OFPT_GROUP_MOD",
  "packet-out": "OFPT_PACKET_OUT",
} as const;

/**
 * Sends messages to a bridge as one.
 * @param formats (FORMAT bits) that can say all of them.
 * @throws VerbError when one is refused, with what ovs-ofctl says of it.
 */
export async function sendBundle(
  call: Call,
  bridge: BridgeControl,
  messages: readonly BundleMessage[],
  formats: number,
): Promise<void> {
  // OpenFlow has bundles since 1.3.
  const bundled = formats & FORMATS.openFlow13Up;
  const version = versionFor(call, bundled === 0 ? formats : bundled);
  const hasPackets = messages.some(({ type }) => type === "packet-out");
  if (hasPackets && call.control.kind === "lab") {
    throw new VerbError("frames come from the ports of this switch, which are real");
  }
  try {
    await applyBundle(bridge, messages, version);
  } catch (error) {
    if (!(error instanceof BundleError)) throw error;
    const { index } = error;
    const message = messages[index]!;
    const text = quoted(message, version);
    const what = { name: NAMES[message.type], version, text };
    throw bundleRefusal(call, bridge.name, error.message, what, { index, count: messages.length });
  }
}

/** What a refusal quotes of a message, from behind its header on. */
function quoted(message: BundleMessage, version: OpenFlowVersion): string {
  const unread = unreadableMessage(message, version);
  if (unread !== null) return ` ***decode error: ${unread}***`;
  switch (message.type) {
    case "flow":
      return ` ${formatFlowMod(message.mod, { version })}`;
    case "group":
      return quotedGroupMod(message.mod, version);
    case "packet-out":
      return quotedPacketOut(message.packetOut, version);
  }
}

interface Line {
  readonly message: BundleMessage;
  readonly formats: number;
}

/** `flow ...`, `group ...` or `packet-out ...`; any beginning of these words will do. */
function readLine(line: string, ports: PortMap): Line {
  const text = line.trimStart();
  const word = /^[^, \t\r\n]*/.exec(text)![0];
  const rest = text.slice(word.length);
  if ("flow".startsWith(word)) {
    const { command, from } = leadingCommand(rest);
    const { mod, formats } = parseFlowMod(rest.slice(from), command, { ports });
    return { message: { type: "flow", mod }, formats };
  }
  if ("group".startsWith(word)) {
    // Whatever stands there is one group, even nothing.
    const [mod] = parseGroupFile(rest.trim() === "" ? "add" : rest, { ports });
    return { message: { type: "group", mod: mod! }, formats: mod!.formats };
  }
  if ("packet-out".startsWith(word)) {
    const packetOut = parsePacketOut(rest, { ports });
    return { message: { type: "packet-out", packetOut }, formats: packetOut.formats };
  }
  throw new VerbError(`Unsupported bundle message type: ${word}`);
}

async function bundle(call: Call): Promise<void> {
  const bridge = bridgeOf(call);
  const ports = namesOf(call, bridge);
  const file = call.args[1]!;
  const lines = textLines(await call.file(file)).map(({ text, line }) => {
    try {
      return readLine(text, ports);
    } catch (error) {
      const isTheirs = error instanceof PacketpathError || error instanceof VerbError;
      if (!isTheirs) throw error;
      throw new VerbError(`${file}:${line}: ${error.message}`);
    }
  });
  const formats = lines.reduce((all, line) => all & line.formats, FORMATS.any as number);
  const messages = lines.map(({ message }) => message);
  await sendBundle(call, bridge, messages, formats);
}

export const BUNDLE_VERBS: readonly Verb[] = [
  { name: "bundle", min: 2, max: 2, usage: "SWITCH FILE", run: bundle },
];
