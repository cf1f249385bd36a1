// One flow text to a command on a flow table: add, modify, delete, or a question for dumps
// (lib/ofp-flow.c parse_ofp_str__ of Open vSwitch 3.1). Errors are FlowTextErrors with Open
// vSwitch's own sentences; parse.ts gives them their file and line. Slow path; any thread.
import { fieldByName, type Field } from "../flow/fields.js";
import { getField, fieldOf } from "../flow/fields.js";
import { cloneMatch, newMatch } from "../flow/match.js";
import {
  DEFAULT_PRIORITY,
  FLOW_FLAGS,
  type Action,
  type Flow,
  type FlowFlag,
  type Match,
} from "../flow/types.js";
import { newContext } from "./actions/context.js";
import { parseActions } from "./actions/parse-actions.js";
import { applyField, applyProtocol, faultOf, normalizeMatch, type Fault } from "./parse-match.js";
import { formatMatch } from "./print/format-match.js";
import { FORMATS } from "./protocols.js";
import { numberArgument, uint64Argument } from "./text/numbers.js";
import { parsePort, parseTable, type PortMap } from "./text/ports.js";
import { FlowTextError, scanPairs, type Pair } from "./text/scan.js";

/** What is to be done with flows; "query" is what dump-flows and dump-aggregate take. */
export type FlowCommand = "add" | "modify" | "modify_strict" | "delete" | "delete_strict" | "query";

/** The table of a flow text that names none: all tables of a delete or a query. */
export const ANY_TABLE = 255;

/** A command on a flow table. */
export interface FlowMod {
  readonly command: FlowCommand;
  /** ANY_TABLE when none is named. */
  readonly table: number;
  readonly priority: number;
  /** Normalized: without what cannot mean anything. */
  readonly match: Match;
  /** For adds and modifies. */
  readonly actions: readonly Action[];
  /** The flow's cookie from now on; null: modified flows keep theirs, added ones get 0. */
  readonly cookie: bigint | null;
  /** Only flows whose cookie agrees with `value` in the bits of `mask` are meant. */
  readonly cookieFilter: { readonly value: bigint; readonly mask: bigint };
  readonly idleTimeout: number;
  readonly hardTimeout: number;
  readonly importance: number;
  readonly flags: readonly FlowFlag[];
  /** Only flows that send to this port; null: all. For deletes and queries. */
  readonly outPort: number | null;
  /** Only flows that send to this group; null: all. For deletes and queries. */
  readonly outGroup: number | null;
  /** What the text says and no switch takes; null: nothing. */
  readonly fault: Fault | null;
}

/** A pair that was read and then dropped, because its prerequisite is not matched. */
export interface Ignored {
  readonly key: string;
  readonly index: number;
}

/** What a flow text says. */
export interface ParsedFlowMod {
  readonly mod: FlowMod;
  /** The flow formats (FORMAT bits) that can say it. */
  readonly formats: number;
  readonly ignored: readonly Ignored[];
  /** The match before and after the normalization, when that took something away. */
  readonly normalization: { readonly before: string; readonly after: string } | null;
}

/** What commands understand besides matches, tables and cookies. */
const TAKES: Readonly<Record<FlowCommand, string>> = {
  add: "actions timeouts priority flags importance",
  modify: "actions timeouts priority flags",
  modify_strict: "actions timeouts priority flags",
  delete: "out",
  delete_strict: "out priority",
  query: "out",
};

/** Keys that dumps print and that mean nothing in a flow that is added. */
const DUMPED = ["duration", "n_packets", "n_bytes", "idle_age", "hard_age"];
const WITHOUT_MEANING = ["no_readonly_table", "allow_hidden_fields"];

/** Flags that only some flow formats have. */
const FLAG_FORMATS: Readonly<Partial<Record<FlowFlag, number>>> = {
  reset_counts: FORMATS.openFlow12Up,
  no_packet_counts: FORMATS.openFlow13Up,
  no_byte_counts: FORMATS.openFlow13Up,
};

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };

/** A flow text while it is read. */
interface Draft {
  readonly mod: Mutable<Omit<FlowMod, "flags" | "actions">>;
  readonly flags: Set<FlowFlag>;
  formats: number;
}

function newDraft(command: FlowCommand): Draft {
  return {
    mod: {
      command,
      table: ANY_TABLE,
      priority: DEFAULT_PRIORITY,
      match: newMatch(),
      cookie: null,
      cookieFilter: { value: 0n, mask: 0n },
      idleTimeout: 0,
      hardTimeout: 0,
      importance: 0,
      outPort: null,
      outGroup: null,
      fault: null,
    },
    flags: new Set(),
    formats: FORMATS.any,
  };
}

const takes = (draft: Draft, what: string): boolean =>
  TAKES[draft.mod.command].split(" ").includes(what);

function applyCookie(draft: Draft, pair: Pair): void {
  const { command } = draft.mod;
  const slash = pair.value.indexOf("/");
  if (slash < 0) {
    if (!takes(draft, "actions")) {
      const hint = `(to match on a cookie, specify a mask, e.g. cookie=${pair.value}/-1)`;
      throw new FlowTextError(`cannot set cookie ${hint}`, pair.valueAt);
    }
    draft.mod.cookie = uint64Argument(pair.value, pair.valueAt);
    return;
  }
  if (command === "add") {
    throw new FlowTextError("flow additions cannot use a cookie mask", pair.valueAt + slash);
  }
  const value = uint64Argument(pair.value.slice(0, slash), pair.valueAt);
  const mask = uint64Argument(pair.value.slice(slash + 1), pair.valueAt + slash + 1);
  draft.mod.cookieFilter = { value, mask };
  if (mask !== 0n) draft.formats &= FORMATS.nxmAndOpenFlow11Up;
}

function applyTable(draft: Draft, pair: Pair, ports: PortMap): void {
  const table = parseTable(pair.value, ports);
  if (table === null) throw new FlowTextError(`unknown table "${pair.value}"`, pair.valueAt);
  draft.mod.table = table;
  if (table !== ANY_TABLE) draft.formats &= FORMATS.tables;
}

/** A number of a group; `any` and `all` mean no particular one. */
function parseOutGroup(pair: Pair): number | null {
  if (/^(any|all)$/i.test(pair.value)) return null;
  if (/^[0-9]+$/.test(pair.value) && Number(pair.value) <= 0xffffffff) return Number(pair.value);
  throw new FlowTextError(`${pair.value} is not a valid OpenFlow group`, pair.valueAt);
}

/** `key=value` that is no match. Returns false for a key that is none. */
function applyProperty(draft: Draft, pair: Pair, ports: PortMap): boolean {
  const { mod } = draft;
  const number16 = (): number => numberArgument(pair, pair.key, 0xffff);
  if (pair.key === "table") applyTable(draft, pair, ports);
  else if (pair.key === "cookie") applyCookie(draft, pair);
  else if (pair.key === "out_port" && takes(draft, "out")) {
    const port = parsePort(pair.value, ports);
    if (port === null) {
      throw new FlowTextError(`${pair.value} is not a valid OpenFlow port`, pair.valueAt);
    }
    mod.outPort = port === 0xffff ? null : port;
  } else if (pair.key === "out_group" && takes(draft, "out")) {
    draft.formats &= FORMATS.openFlow11Up;
    mod.outGroup = parseOutGroup(pair);
  } else if (pair.key === "priority" && takes(draft, "priority")) mod.priority = number16();
  else if (pair.key === "idle_timeout" && takes(draft, "timeouts")) mod.idleTimeout = number16();
  else if (pair.key === "hard_timeout" && takes(draft, "timeouts")) mod.hardTimeout = number16();
  else if (pair.key === "importance" && takes(draft, "importance")) mod.importance = number16();
  else return DUMPED.includes(pair.key);
  return true;
}

function applyPair(draft: Draft, pair: Pair, ports: PortMap): void {
  if (applyProtocol(draft.mod.match, pair.key)) return;
  const flag = FLOW_FLAGS.find((name) => name === pair.key);
  if (flag !== undefined && takes(draft, "flags")) {
    draft.flags.add(flag);
    draft.formats &= FLAG_FORMATS[flag] ?? FORMATS.any;
    return;
  }
  if (WITHOUT_MEANING.includes(pair.key)) return;
  const formats = applyField(draft.mod.match, pair, ports);
  if (formats !== null) {
    draft.formats &= formats;
    return;
  }
  if (pair.value === "") throw new FlowTextError(`field ${pair.key} missing value`, pair.keyAt);
  if (!applyProperty(draft, pair, ports)) {
    throw new FlowTextError(`unknown keyword ${pair.key}`, pair.keyAt);
  }
}

/** Only NXM and OXM have words for the upper layers of IPv6. */
function ipv6Formats(match: Match): number {
  if (getField(match.value, fieldOf("eth_type")) !== 0x86dd) return FORMATS.any;
  const upper = (["nw_proto", "nw_tos", "nw_ecn", "tcp_src", "tcp_dst"] as const).some(
    (id) => getField(match.mask, fieldOf(id)) !== 0,
  );
  return upper ? FORMATS.nxmAndOxm : FORMATS.any;
}

/** Where the word `action` begins, wherever it stands, and where its list does; or null. */
export function findActions(text: string, from: number): { at: number; listAt: number } | null {
  const at = text.indexOf("action", from);
  const equals = at < 0 ? -1 : text.indexOf("=", at);
  return equals < 0 ? null : { at, listAt: equals + 1 };
}

/** Finds what the user wrote for the fields that `normalizeMatch` removed. */
function findIgnored(pairs: readonly Pair[], removed: readonly Field[]): Ignored[] {
  return removed.flatMap((field) => {
    const sameStart = (key: string): boolean => fieldByName(key)?.start === field.start;
    const found = pairs.filter((pair) => sameStart(pair.key.replace(/\[.*$/, "")));
    return found.slice(-1).map((pair) => ({ key: pair.key, index: pair.keyAt }));
  });
}

/** The command that a line of a flow file begins with, and where the flow begins. */
export function leadingCommand(text: string): { command: FlowCommand; from: number } {
  const at = /^[ \t\r\n]*/.exec(text)![0].length;
  const word = /^[^, \t\r\n]*/.exec(text.slice(at))![0];
  const commands = ["add", "delete", "delete_strict", "modify", "modify_strict"] as const;
  // Any beginning of a command will do.
  const command = word === "" ? undefined : commands.find((name) => name.startsWith(word));
  return command === undefined ? { command: "add", from: 0 } : { command, from: at + word.length };
}

/**
 * Reads a flow text.
 * @param from where the flow begins, after a command.
 * @throws FlowTextError.
 */
export function parseFlowModText(
  text: string,
  command: FlowCommand,
  ports: PortMap,
  from = 0,
): ParsedFlowMod {
  const draft = newDraft(command);
  const hasActions = takes(draft, "actions");
  const found = hasActions ? findActions(text, from) : { at: text.length, listAt: text.length };
  if (found === null) throw new FlowTextError("must specify an action", text.length);
  const pairs = scanPairs(text, from, found.at);
  for (const pair of pairs) applyPair(draft, pair, ports);
  draft.formats &= ipv6Formats(draft.mod.match);
  const { match } = draft.mod;
  const before = cloneMatch(match);
  const removed = normalizeMatch(match);
  const ignored = findIgnored(pairs, removed);
  for (const pair of pairs) {
    const isIgnored = removed.some((field) => field.names.includes(pair.key));
    if (!isIgnored) draft.mod.fault ??= faultOf(pair);
  }
  const context = newContext(text, ports);
  // Actions are held against the match as it was written.
  const owner = {
    match: before,
    table: draft.mod.table,
    formats: draft.formats,
    instructions: true,
  };
  const actions = hasActions ? parseActions(context, found.listAt, text.length, owner) : [];
  const texts = { before: formatMatch(before), after: formatMatch(match) };
  return {
    mod: { ...draft.mod, flags: FLOW_FLAGS.filter((flag) => draft.flags.has(flag)), actions },
    formats: hasActions ? context.formats : draft.formats,
    ignored,
    normalization: ignored.length === 0 ? null : texts,
  };
}

/** The flow that an add, or a modify that finds none, puts into the table. */
export function flowOfMod(mod: FlowMod): Flow {
  return {
    table: mod.table === ANY_TABLE ? 0 : mod.table,
    priority: mod.priority,
    match: mod.match,
    actions: mod.actions,
    cookie: mod.cookie ?? 0n,
    idleTimeout: mod.idleTimeout,
    hardTimeout: mod.hardTimeout,
    importance: mod.importance,
    flags: mod.flags,
  };
}
