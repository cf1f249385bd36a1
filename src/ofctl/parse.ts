// ovs-ofctl flow text to flows, as `ovs-ofctl add-flow` and `add-flows` of Open vSwitch 3.1 read
// it (lib/ofp-flow.c parse_ofp_str). Errors are Open vSwitch's own sentences, with their place.
// Slow path; any thread.
import { PacketpathError } from "../base/errors.js";
import { fieldByName, type Field } from "../flow/fields.js";
import { newMatch } from "../flow/match.js";
import {
  DEFAULT_PRIORITY,
  FLOW_FLAGS,
  type Flow,
  type FlowFlag,
  type Match,
} from "../flow/types.js";
import { parseActions } from "./actions/parse-actions.js";
import { applyField, applyProtocol, normalizeMatch } from "./match/parse-match.js";
import { parseTable, type PortMap } from "./text/ports.js";
import { FlowTextError, parseInteger, parseUnsigned, scanPairs, type Pair } from "./text/scan.js";

/** Where the text comes from and what its names mean. */
export interface ParseOptions {
  /** For error messages; default `<flow>`. */
  readonly file?: string;
  /** Line of the (first) flow, from 1. */
  readonly line?: number;
  /** Columns in front of the text on its line, where it is part of a larger one. */
  readonly columnOffset?: number;
  /** Port numbers by interface name; reserved names need no entry. */
  readonly ports?: PortMap;
}

/** Something to say about a flow text. Lines and columns count from 1. */
export interface Diagnostic {
  readonly severity: "error" | "warning";
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly message: string;
}

const NO_PORTS: PortMap = new Map();

/** Keys that dumps print and that mean nothing in a flow that is added. */
const IGNORED = new Set([
  "duration",
  "n_packets",
  "n_bytes",
  "idle_age",
  "hard_age",
  "no_readonly_table",
  "allow_hidden_fields",
]);

/** What flow files may put before a flow; only `add` means anything here. */
const COMMANDS = ["add", "modify_strict", "modify", "delete_strict", "delete"];

interface Draft {
  readonly match: Match;
  readonly flags: FlowFlag[];
  table: number;
  priority: number;
  cookie: bigint;
  idleTimeout: number;
  hardTimeout: number;
  importance: number;
}

function newDraft(): Draft {
  return {
    match: newMatch(),
    flags: [],
    table: 0,
    priority: DEFAULT_PRIORITY,
    cookie: 0n,
    idleTimeout: 0,
    hardTimeout: 0,
    importance: 0,
  };
}

function number16(pair: Pair): number {
  const value = parseUnsigned(pair.value, 0xffff);
  if (value === null) throw new FlowTextError(`invalid ${pair.key} "${pair.value}"`, pair.valueAt);
  return value;
}

function parseCookie(pair: Pair): bigint {
  const slash = pair.value.indexOf("/");
  const text = slash < 0 ? pair.value : pair.value.slice(0, slash);
  const value = parseInteger(text);
  if (value === null || value >> 64n !== 0n) {
    throw new FlowTextError(`invalid numeric format ${text}`, pair.valueAt);
  }
  if (slash >= 0) {
    throw new FlowTextError("flow additions cannot use a cookie mask", pair.valueAt + slash);
  }
  return value;
}

/** Properties of the flow other than its match. Returns false for a key that is none. */
function applyProperty(draft: Draft, pair: Pair): boolean {
  switch (pair.key) {
    case "table": {
      const table = parseTable(pair.value);
      if (table === null) throw new FlowTextError(`unknown table "${pair.value}"`, pair.valueAt);
      // 255 means "any table", which for a new flow is table 0.
      draft.table = table === 255 ? 0 : table;
      return true;
    }
    case "priority":
      draft.priority = number16(pair);
      return true;
    case "idle_timeout":
      draft.idleTimeout = number16(pair);
      return true;
    case "hard_timeout":
      draft.hardTimeout = number16(pair);
      return true;
    case "importance":
      draft.importance = number16(pair);
      return true;
    case "cookie":
      draft.cookie = parseCookie(pair);
      return true;
    default:
      return IGNORED.has(pair.key);
  }
}

function applyPair(draft: Draft, pair: Pair, ports: PortMap): void {
  const flag = FLOW_FLAGS.find((name) => name === pair.key);
  if (flag !== undefined) {
    if (!draft.flags.includes(flag)) draft.flags.push(flag);
    return;
  }
  if (applyProtocol(draft.match, pair.key) || applyProperty(draft, pair)) return;
  if (applyField(draft.match, pair, ports)) return;
  const message =
    pair.value === "" ? `field ${pair.key} missing value` : `unknown keyword ${pair.key}`;
  throw new FlowTextError(message, pair.keyAt);
}

/** Where `actions=` begins and where its list does, or null. */
function findActions(text: string): { at: number; listAt: number } | null {
  const found = /(^|[,\s])(actions?=)/.exec(text);
  if (found === null) return null;
  const at = found.index + found[1]!.length;
  return { at, listAt: at + found[2]!.length };
}

/** Skips `add`; refuses the other commands of flow files. Returns where the flow begins. */
function skipCommand(text: string): number {
  const word = /^\s*([a-z_]+)\s+(?=\S)/.exec(text);
  if (word === null || !COMMANDS.includes(word[1]!)) return 0;
  if (word[1] === "add") return word[0].length;
  const at = text.indexOf(word[1]!);
  throw new FlowTextError(`${word[1]!}: only "add" can stand before a flow here`, at);
}

/** A pair that was read and then dropped, because its prerequisite is not matched. */
interface Ignored {
  readonly key: string;
  readonly index: number;
}

/** Finds what the user wrote for the fields that `normalizeMatch` removed. */
function findIgnored(pairs: readonly Pair[], removed: readonly Field[]): Ignored[] {
  return removed.flatMap((field) => {
    const sameStart = (key: string): boolean => fieldByName(key)?.start === field.start;
    const found = pairs.filter((pair) => sameStart(pair.key.replace(/\[.*$/, "")));
    return found.slice(-1).map((pair) => ({ key: pair.key, index: pair.keyAt }));
  });
}

function parseText(text: string, ports: PortMap): { flow: Flow; ignored: Ignored[] } {
  const begin = skipCommand(text);
  const actions = findActions(text);
  if (actions === null) throw new FlowTextError("must specify an action", text.length);
  const draft = newDraft();
  const pairs = scanPairs(text, begin, actions.at);
  for (const pair of pairs) applyPair(draft, pair, ports);
  const ignored = findIgnored(pairs, normalizeMatch(draft.match));
  const context = { ports, table: draft.table, match: draft.match };
  const list = parseActions(text, actions.listAt, text.length, context);
  const flags = FLOW_FLAGS.filter((flag) => draft.flags.includes(flag));
  return { flow: { ...draft, flags, actions: list }, ignored };
}

function columnOf(index: number, options: ParseOptions): number {
  return index + 1 + (options.columnOffset ?? 0);
}

/**
 * Reads one flow.
 * @throws PacketpathError FLOW_INVALID with Open vSwitch's sentence and the place of the mistake.
 */
export function parseFlow(text: string, options: ParseOptions = {}): Flow {
  try {
    return parseText(text, options.ports ?? NO_PORTS).flow;
  } catch (error) {
    if (!(error instanceof FlowTextError)) throw error;
    const file = options.file ?? "<flow>";
    const place = { file, line: options.line ?? 1, column: columnOf(error.index, options) };
    throw new PacketpathError("FLOW_INVALID", error.message, { place });
  }
}

/** Lines of a flow file that hold a flow, comments (`#` to the end of the line) cut off. */
function flowLines(text: string): { text: string; line: number }[] {
  return text
    .split("\n")
    .map((line, i) => ({ text: line.replace(/#.*$/, "").trimEnd(), line: i + 1 }))
    .filter((line) => line.text.trim() !== "");
}

/** Reads every flow of a text and keeps going after mistakes. */
export function readFlows(
  text: string,
  options: ParseOptions = {},
): { flows: Flow[]; diagnostics: Diagnostic[] } {
  const flows: Flow[] = [];
  const diagnostics: Diagnostic[] = [];
  const file = options.file ?? "<flow>";
  for (const entry of flowLines(text)) {
    const line = (options.line ?? 1) + entry.line - 1;
    try {
      const { flow, ignored } = parseText(entry.text, options.ports ?? NO_PORTS);
      flows.push(flow);
      for (const { key, index } of ignored) {
        const message = `${key} is ignored: the flow does not match its protocol (prerequisite)`;
        const column = columnOf(index, options);
        diagnostics.push({ severity: "warning", file, line, column, message });
      }
    } catch (error) {
      if (!(error instanceof FlowTextError)) throw error;
      const column = columnOf(error.index, options);
      diagnostics.push({ severity: "error", file, line, column, message: error.message });
    }
  }
  return { flows, diagnostics };
}

/**
 * Reads a flow file: one flow a line, `#` comments, blank lines.
 * @throws PacketpathError FLOW_INVALID for the first mistake; `checkFlows` lists them all.
 */
export function parseFlows(text: string, options: ParseOptions = {}): Flow[] {
  const { flows, diagnostics } = readFlows(text, options);
  const first = diagnostics.find((diagnostic) => diagnostic.severity === "error");
  if (first === undefined) return flows;
  const { file, line, column, message } = first;
  throw new PacketpathError("FLOW_INVALID", message, { place: { file, line, column } });
}

/** Every mistake in a flow file, and warnings about matches that are silently dropped. */
export function checkFlows(text: string, file: string, ports: PortMap = NO_PORTS): Diagnostic[] {
  return readFlows(text, { file, ports }).diagnostics;
}
