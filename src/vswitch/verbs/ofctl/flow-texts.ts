// Flow arguments and flow files of ovs-ofctl, read: their mistakes become the tool's sentences, and
// what is refused is told as the switch would. Main thread.
import { PacketpathError } from "../../../base/errors.js";
import type { FlowCommand, FlowMod, ParsedFlowMod } from "../../../ofctl/flow-mods.js";
import { formatFlowMod } from "../../../ofctl/format.js";
import { decodeInstructions } from "../../../ofctl/openflow/actions/instructions.js";
import { logHexDump, WireError } from "../../../ofctl/openflow/bytes.js";
import { encodeFlowActions, encodeFlowMod } from "../../../ofctl/openflow/flow-mod.js";
import { parseFlowMod, parseFlowModFile } from "../../../ofctl/parse.js";
import { FORMATS, type OpenFlowVersion } from "../../../ofctl/protocols.js";
import type { PortMap } from "../../../ofctl/text/ports.js";
import type { BridgeControl } from "../../control.js";
import { applyMods, FlowModError } from "../../mods/flow-mods.js";
import { type Call, VerbError } from "../call.js";
import { has } from "../options.js";
import { chosenFormat, hasTables, isNxm, versionFor } from "./formats.js";
import { namesShown } from "./bridge.js";
import { sendBundle } from "./features/bundle.js";
import { FIRST_XID, refusal } from "./refusals.js";
import { limitedLog } from "./wire/lines.js";

/** A parser's complaint in ovs-ofctl's words; in a file, with its place. */
export function parsing<T>(file: string | null, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof PacketpathError)) throw error;
    const line = error.place?.line;
    throw new VerbError(file === null ? error.message : `${file}:${line}: ${error.message}`);
  }
}

export interface FlowTexts {
  readonly mods: readonly FlowMod[];
  /** Formats that can say all of them. */
  readonly formats: number;
}

function gather(parsed: readonly ParsedFlowMod[]): FlowTexts {
  return {
    mods: parsed.map((one) => one.mod),
    formats: parsed.reduce((formats, one) => formats & one.formats, FORMATS.any as number),
  };
}

/** One flow text of the command line. */
export function readFlow(text: string, command: FlowCommand, ports: PortMap): FlowTexts {
  return gather([parsing(null, () => parseFlowMod(text, command, { ports }))]);
}

/**
 * A file of flows.
 * @param command what every line means; without it, a line may begin with a command of its own.
 */
export async function readFlows(
  call: Call,
  name: string,
  ports: PortMap,
  command?: FlowCommand,
): Promise<FlowTexts> {
  const text = await call.file(name);
  const read = (): ParsedFlowMod[] => parseFlowModFile(text, { ports, file: name }, command);
  return gather(parsing(name, read));
}

/** A message that cannot be read. */
interface Unread {
  readonly mod: FlowMod;
  /** Name of the error, OFPBAC_... */
  readonly message: string;
}

/** What is told of a message that cannot be read; its bytes are, too. */
export function unreadText({ message, mod }: Unread, format: number, xid: number): string {
  const what = `***decode error: ${message}***`;
  // A value that is too large for its field is not kept, and nor are its bytes.
  return mod.fault === null
    ? `${what}\n${logHexDump(encodeFlowMod(mod, format, xid), true)}`
    : what;
}

/** What is written into the log while the message is read to be told. */
export function logUnread(call: Call, { message, mod }: Unread, version: OpenFlowVersion): void {
  // Actions are read after the match.
  if (message.startsWith("OFPBMC")) return;
  try {
    decodeInstructions(encodeFlowActions(mod, version), { version, warn: limitedLog(call) });
  } catch (error) {
    if (!(error instanceof WireError)) throw error;
  }
}

/** Sends mods to a bridge; a refusal ends the command as the switch's error message would. */
export async function sendMods(
  call: Call,
  bridge: BridgeControl,
  { mods, formats }: FlowTexts,
): Promise<void> {
  if (has(call.options, "bundle")) {
    const messages = mods.map((mod) => ({ type: "flow", mod }) as const);
    return sendBundle(call, bridge, messages, formats);
  }
  const version = versionFor(call, formats);
  try {
    await applyMods(bridge, mods, version);
  } catch (error) {
    if (!(error instanceof FlowModError)) throw error;
    // Each message is followed by a barrier. Before all, a connection of OpenFlow 1.0 is told of
    // extended matches and of tables, where the format that is chosen has them.
    const format = chosenFormat(call, formats);
    const [extended, tables] = [isNxm(format), hasTables(format)];
    const xid = FIRST_XID + 2 * (error.index + Number(extended) + Number(tables));
    const name = extended ? "NXT_FLOW_MOD" : "OFPT_FLOW_MOD";
    if (error.isUnread) logUnread(call, error, version);
    const text = error.isUnread
      ? unreadText(error, format, xid)
      : formatFlowMod(error.mod, { version, ...namesShown(call, bridge) });
    const message = { name, version, xid, text: ` ${text}` };
    throw refusal(error.message, message);
  }
}
