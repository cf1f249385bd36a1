// The message that a flow mod is sent as, in each flow format (lib/ofp-flow.c
// ofputil_encode_flow_mod of Open vSwitch 3.1). Any thread.
import { OFPP, type FlowFlag } from "../../flow/types.js";
import { ANY_TABLE, type FlowCommand, type FlowMod } from "../flow-mods.js";
import { flagsOfVersion } from "../format.js";
import { receivedActions } from "../print/received.js";
import { FORMAT, type OpenFlowVersion, versionOfFormat } from "../protocols.js";
import { encodeInstructions } from "./actions/instructions.js";
import { VENDORS } from "./actions/row.js";
import { ByteWriter } from "./bytes.js";
import { encodeMatch10, encodeMatch11 } from "./old-match.js";
import { encodeMatch, newWireMatch, port32 } from "./oxm-match.js";

const FLOW_MOD = 14;
const VENDOR = 4;
/** Of Nicira's messages. */
const NXT_FLOW_MOD = 13;
const OXM_TYPE = 1;
const NOTHING32 = 0xffffffff;

const COMMANDS: readonly FlowCommand[] = [
  ...(["add", "modify", "modify_strict", "delete", "delete_strict"] as const),
];

const FLAGS: Readonly<Record<FlowFlag, number>> = {
  send_flow_rem: 1,
  check_overlap: 2,
  reset_counts: 4,
  no_packet_counts: 8,
  no_byte_counts: 16,
};

/** Numbers of versions on the wire count from 1. */
const wireVersion = (version: OpenFlowVersion): number => version - 9;

function flagBits(mod: FlowMod, version: OpenFlowVersion): number {
  return flagsOfVersion(mod.flags, version).reduce((bits, flag) => bits | FLAGS[flag], 0);
}

/** The actions or instructions of the message. */
export function encodeFlowActions(mod: FlowMod, version: OpenFlowVersion): Uint8Array {
  const out = new ByteWriter();
  const actions = receivedActions(mod.actions, version, mod.match);
  const wire = actions.map((action) => ({ action, row: null }));
  encodeInstructions(out, wire, { version, warn: () => undefined });
  return out.done();
}

/** A modify that names no cookie leaves them as they are; OpenFlow 1.0 says so by all ones. */
const SAME_COOKIE = (1n << 64n) - 1n;

/** Cookie, command, times: what both kinds of OpenFlow 1.0 have in common. */
function writeBody10(out: ByteWriter, mod: FlowMod, hasTable: boolean): void {
  const table = hasTable ? mod.table << 8 : 0;
  const isModify = mod.command.startsWith("modify");
  out.wide(mod.cookie ?? (isModify ? SAME_COOKIE : 0n), 8);
  out.number(table | COMMANDS.indexOf(mod.command), 2);
  for (const number of [mod.idleTimeout, mod.hardTimeout, mod.priority]) out.number(number, 2);
  out.number(NOTHING32, 4);
  out.number(mod.outPort ?? OFPP.none, 2);
  out.number(flagBits(mod, 10), 2);
}

function writeNicira(out: ByteWriter, mod: FlowMod, hasTable: boolean): void {
  out.number(VENDORS.NX, 4);
  out.number(NXT_FLOW_MOD, 4);
  writeBody10(out, mod, hasTable);
  const match = new ByteWriter();
  encodeMatch(match, { ...newWireMatch(mod.match), cookie: mod.cookieFilter }, 10);
  out.number(match.length, 2);
  out.zeros(6);
  match.padTo8();
  out.bytes(match.done());
}

function writeBody11(out: ByteWriter, mod: FlowMod, version: OpenFlowVersion): void {
  const { value, mask } = mod.cookieFilter;
  out.wide(mask === 0n ? (mod.cookie ?? 0n) : value & mask, 8);
  out.wide(mask, 8);
  out.number(mod.table === ANY_TABLE && !mod.command.startsWith("delete") ? 0 : mod.table, 1);
  out.number(COMMANDS.indexOf(mod.command), 1);
  for (const number of [mod.idleTimeout, mod.hardTimeout, mod.priority]) out.number(number, 2);
  out.number(NOTHING32, 4);
  out.wide(port32(mod.outPort ?? OFPP.none), 4);
  out.number(mod.outGroup ?? NOTHING32, 4);
  out.number(flagBits(mod, version), 2);
  out.number(version >= 14 ? mod.importance : 0, 2);
  if (version === 11) return encodeMatch11(out, mod.match);
  const match = new ByteWriter();
  encodeMatch(match, newWireMatch(mod.match), version);
  const start = out.length;
  out.number(OXM_TYPE, 2);
  out.number(4 + match.length, 2);
  out.bytes(match.done());
  out.padTo8(start);
}

/**
 * The message.
 * @param format a single one of FORMAT.
 */
export function encodeFlowMod(mod: FlowMod, format: number, xid: number): Uint8Array {
  const version = versionOfFormat(format);
  const isNicira = format === FORMAT.nxm || format === FORMAT.nxmTables;
  const hasTable = format === FORMAT.openFlow10Tables || format === FORMAT.nxmTables;
  const out = new ByteWriter();
  out.number(wireVersion(version), 1);
  out.number(isNicira ? VENDOR : FLOW_MOD, 1);
  out.zeros(2);
  out.number(xid, 4);
  if (isNicira) writeNicira(out, mod, hasTable);
  else if (version === 10) {
    encodeMatch10(out, mod.match);
    writeBody10(out, mod, hasTable);
  } else writeBody11(out, mod, version);
  out.bytes(encodeFlowActions(mod, version));
  out.patch16(2, out.length);
  return out.done();
}
