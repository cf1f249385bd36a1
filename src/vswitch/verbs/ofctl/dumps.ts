// The verbs of ovs-ofctl that print flows: dump-flows, dump-aggregate, parse-flow and parse-flows.
// Main thread.
import {
  type DumpedFlow,
  formatDumpedLines,
  formatDumpFlows,
  parseSortCriterion,
  sortFlows,
  type SortCriterion,
} from "../../../ofctl/dump-flows.js";
import { formatFlowMod } from "../../../ofctl/format.js";
import {
  FORMATS,
  formatsToString,
  type OpenFlowVersion,
  versionOfFormat,
} from "../../../ofctl/protocols.js";
import { unreadable } from "../../../ofctl/print/unreadable.js";
import type { FlowEntry } from "../../../pipeline/flow-tables.js";
import type { BridgeControl } from "../../control.js";
import { selectorOf } from "../../mods/flow-mods.js";
import { type Call, type Verb, VerbError } from "../call.js";
import { has } from "../options.js";
import { acceptsNames, bridgeOf, namesOf, namesShown, usesNames } from "./bridge.js";
import { type FlowTexts, logUnread, readFlow, readFlows, unreadText } from "./flow-texts.js";
import {
  allowedFormats,
  chosenFormat,
  isNxm,
  speaksNxm,
  versionFor,
  versionOf,
} from "./formats.js";
import { messageHead } from "./refusals.js";

function selected(call: Call, bridge: BridgeControl): FlowEntry[] {
  const text = call.args[1];
  if (text === undefined) return bridge.tables.entries();
  const { mods, formats } = readFlow(text, "query", namesOf(call, bridge));
  versionFor(call, formats);
  return bridge.tables.entries(selectorOf(mods[0]!));
}

function withStats(call: Call, bridge: BridgeControl, entry: FlowEntry): DumpedFlow {
  const now = call.control.clock.nowMs();
  const { packets, bytes, usedMs } = bridge.flowStats(entry);
  const used = usedMs === 0 ? entry.addedMs : usedMs;
  const stats = {
    durationSeconds: (now - entry.addedMs) / 1000,
    packets,
    bytes,
    idleAgeSeconds: Math.max(0, Math.floor((now - used) / 1000)),
    hardAgeSeconds: Math.floor((now - entry.modifiedMs) / 1000),
  };
  return { flow: entry.flow, stats };
}

function sortCriteria(call: Call): SortCriterion[] {
  return (["sort", "rsort"] as const).flatMap((option) =>
    (call.options.values.get(option) ?? []).map((text) => {
      const criterion = parseSortCriterion(text, option === "rsort");
      if (criterion === null) throw new VerbError(`${text}: unknown field name`);
      return criterion;
    }),
  );
}

/**
 * The transaction id of a request for flows: one connection more, and two messages on each of both,
 * is needed to learn the names that a flow to look for may have.
 */
function transactionOf(call: Call, version: OpenFlowVersion): number {
  const first = version === 10 ? 4 : 2;
  return call.args.length > 1 && acceptsNames(call) ? first + 4 : first;
}

function dumpFlows(call: Call): void {
  const bridge = bridgeOf(call);
  const version = versionOf(call);
  const flows = selected(call, bridge).map((entry) => withStats(call, bridge, entry));
  const criteria = sortCriteria(call);
  const stats = !has(call.options, "no-stats");
  if (criteria.length === 0 && stats && !usesNames(call)) {
    const transaction = transactionOf(call, version);
    return call.out(formatDumpFlows(flows, { version }, transaction, speaksNxm(call)));
  }
  const sorted = sortFlows(flows, criteria);
  call.out(formatDumpedLines(sorted, { version, stats, ...namesShown(call, bridge) }));
}

function dumpAggregate(call: Call): void {
  const bridge = bridgeOf(call);
  const version = versionOf(call);
  let packets = 0;
  let bytes = 0;
  const entries = selected(call, bridge);
  for (const entry of entries) {
    const stats = bridge.flowStats(entry);
    packets += stats.packets;
    bytes += stats.bytes;
  }
  const isExtended = version === 10 && speaksNxm(call);
  const name = isExtended ? "NXST_AGGREGATE reply" : "OFPST_AGGREGATE reply";
  const head = messageHead(name, version, transactionOf(call, version));
  const counts = `packet_count=${packets} byte_count=${bytes} flow_count=${entries.length}`;
  call.out(`${head} ${counts}\n`);
}

/** What parse-flow and parse-flows print: the messages that the texts would be sent as. */
function printMods(call: Call, { mods, formats }: FlowTexts): void {
  const allowed = allowedFormats(call);
  call.out(`usable protocols: ${formatsToString(formats)}\n`);
  if ((formats & allowed) === 0) throw new VerbError("no usable protocol");
  const format = chosenFormat(call, formats);
  call.out(`chosen protocol: ${formatsToString(format)}\n`);
  const version = versionOfFormat(format);
  // In the formats of OpenFlow 1.0 that name tables, so does every message: 255 is any.
  const namesAnyTable = version === 10 && (format & FORMATS.tables) !== 0;
  const name = isNxm(format) || needsNxm(mods, version) ? "NXT_FLOW_MOD" : "OFPT_FLOW_MOD";
  for (const [i, mod] of mods.entries()) {
    const [xid, message] = [i + 1, unreadable(mod, version)];
    if (message !== null) logUnread(call, { message, mod }, version);
    const text =
      message === null
        ? formatFlowMod(mod, { version, namesAnyTable })
        : unreadText({ message, mod }, format, xid);
    call.out(`${messageHead(name, version, xid)} ${text}\n`);
  }
}

function needsNxm(mods: FlowTexts["mods"], version: number): boolean {
  return version === 10 && mods.some((mod) => mod.cookieFilter.mask !== 0n);
}

async function parseFlows(call: Call): Promise<void> {
  printMods(call, await readFlows(call, call.args[0]!, new Map()));
}

function parseFlow(call: Call): void {
  printMods(call, readFlow(call.args[0]!, "add", new Map()));
}

export const DUMP_VERBS: readonly Verb[] = [
  { name: "dump-flows", min: 1, max: 2, usage: "SWITCH [FLOW]", run: dumpFlows },
  { name: "dump-aggregate", min: 1, max: 2, usage: "SWITCH [FLOW]", run: dumpAggregate },
  { name: "parse-flow", min: 1, max: 1, usage: "FLOW", local: true, run: parseFlow },
  { name: "parse-flows", min: 1, max: 1, usage: "FILE", local: true, run: parseFlows },
];
