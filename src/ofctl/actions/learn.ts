// `learn(...)`: a flow that is made from the packet at hand (lib/learn.c of Open vSwitch 3.1).
// Slow path; any thread.
import { fieldByName, fieldOf, type Field } from "../../flow/fields.js";
import {
  DEFAULT_PRIORITY,
  type FlowFlag,
  type Learn,
  type LearnPart,
  type LearnSource,
  type SubField,
} from "../../flow/types.js";
import { formatValue } from "../print/format-value.js";
import { leadingInteger, looseNumber16 } from "../text/numbers.js";
import { parseTable } from "../text/ports.js";
import { FlowTextError, numberOf, wordsOf, type Pair } from "../text/scan.js";
import { parseSubField } from "../text/subfield.js";
import { byteWidth, parseRawValue } from "../text/values.js";
import { innerPairs, type ActionContext } from "./context.js";
import { leadingFieldInteger, parseMoveParts } from "./set-field.js";

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };

interface Draft {
  readonly learn: Mutable<Omit<Learn, "flags" | "parts">>;
  readonly flags: FlowFlag[];
  readonly parts: LearnPart[];
}

/** 32 bits of atoi(3): what Open vSwitch makes of `limit=`. */
function looseNumber32(text: string): number {
  const found = leadingInteger(/^\s*[+-]?[0-9]*/.exec(text)![0]);
  return found === null ? 0 : Number(found.value & 0xffffffffn);
}

function parseResultField(pair: Pair): SubField {
  const sub = parseSubField(pair.value, pair.valueAt);
  if (!fieldOf(sub.field).writable) {
    throw new FlowTextError(`${pair.value} is read-only`, pair.valueAt);
  }
  if (sub.width === 1) return sub;
  throw new FlowTextError("result_dst in 'learn' action must be a single bit", pair.valueAt);
}

/** `text`: all arguments, which Open vSwitch quotes in some of its sentences. */
function applyKey(draft: Draft, pair: Pair, text: string, context: ActionContext): void {
  const { learn } = draft;
  switch (pair.key) {
    case "table": {
      const table = parseTable(pair.value, context.ports);
      if (table === null) throw new FlowTextError(`unknown table "${pair.value}"`, pair.valueAt);
      if (table === 255) {
        const message = `${text}: table id 255 not valid for \`learn' action`;
        throw new FlowTextError(message, pair.valueAt);
      }
      learn.table = table;
      return;
    }
    case "priority":
      learn.priority = looseNumber16(pair.value);
      return;
    case "idle_timeout":
      learn.idleTimeout = looseNumber16(pair.value);
      return;
    case "hard_timeout":
      learn.hardTimeout = looseNumber16(pair.value);
      return;
    case "fin_idle_timeout":
      learn.finIdleTimeout = looseNumber16(pair.value);
      return;
    case "fin_hard_timeout":
      learn.finHardTimeout = looseNumber16(pair.value);
      return;
    case "cookie":
      learn.cookie = leadingInteger(pair.value)?.value ?? 0n;
      return;
    case "limit":
      learn.limit = looseNumber32(pair.value);
      return;
    case "send_flow_rem":
      if (!draft.flags.includes("send_flow_rem")) draft.flags.push("send_flow_rem");
      return;
    case "delete_learned":
      learn.deleteLearned = true;
      return;
    case "result_dst":
      learn.resultDst = parseResultField(pair);
      return;
    default:
      draft.parts.push(parsePart(pair, text, context));
  }
}

function parsePart(pair: Pair, text: string, context: ActionContext): LearnPart {
  // A field that only ofctl text has a name for.
  if (fieldByName(pair.key.replace(/\[.*$/, ""))?.wireNames.length === 0) {
    const message = `${text}: experimenter OXM field '${pair.key}' not supported`;
    throw new FlowTextError(message, pair.keyAt);
  }
  const target = subFieldOrNull(pair.key, pair.keyAt);
  if (target !== null) return parseMatchPart(pair, target, text, context);
  if (pair.key === "load") return parseLoadPart(pair);
  if (pair.key === "output") {
    return { type: "output", source: parseSubField(pair.value, pair.valueAt) };
  }
  throw new FlowTextError(`${text}: unknown keyword ${pair.key}`, pair.keyAt);
}

/** The name before the `=` is tried as a sub-field first; whatever is wrong with it is not said. */
function subFieldOrNull(name: string, at: number): SubField | null {
  try {
    return parseSubField(name, at);
  } catch (error) {
    if (error instanceof FlowTextError) return null;
    throw error;
  }
}

/** `FIELD`, `FIELD=FIELD` or `FIELD=VALUE`. */
function parseMatchPart(
  pair: Pair,
  target: SubField,
  text: string,
  context: ActionContext,
): LearnPart {
  if (pair.value === "") {
    return { type: "match", target, from: { type: "field", source: target } };
  }
  let source: SubField;
  try {
    source = parseSubField(pair.value, pair.valueAt);
  } catch (error) {
    if (!(error instanceof FlowTextError)) throw error;
    const from = parseMatchValue(pair, target, text, error.message, context);
    return { type: "match", target, from };
  }
  if (source.width === target.width) {
    return { type: "match", target, from: { type: "field", source } };
  }
  // Open vSwitch puts the two widths the wrong way round.
  const widths = `${pair.key} (${source.width}) and ${pair.value} (${target.width})`;
  throw new FlowTextError(`${text}: bit widths of ${widths} differ`, pair.valueAt);
}

/** A constant after the `=`; `notField` says why it is no sub-field. */
function parseMatchValue(
  pair: Pair,
  target: SubField,
  text: string,
  notField: string,
  context: ActionContext,
): LearnSource {
  const field = fieldOf(target.field);
  try {
    const isWhole = target.offset === 0 && target.width === field.bits;
    const value = isWhole
      ? wholeValue(field, pair, context)
      : partialValue(field, target, pair, text);
    return { type: "value", value: wordsOf(value, field.words) };
  } catch (error) {
    if (!(error instanceof FlowTextError)) throw error;
    const subject = `${text}: ${pair.key} value ${pair.value}`;
    const message =
      `${subject} cannot be parsed as a subfield (${notField}) ` +
      `or an immediate value (${error.message})`;
    throw new FlowTextError(message, pair.valueAt);
  }
}

function wholeValue(field: Field, pair: Pair, context: ActionContext): bigint {
  // Bits that the field does not have stay: the learned match leaves them out.
  const number = field.id === "arp_op" ? leadingFieldInteger(pair.value, byteWidth(field)) : null;
  if (number !== null && number.end === pair.value.length) return number.value;
  const { value, mask } = parseRawValue(field, pair.value, pair.valueAt, context.ports);
  if (mask.every((word) => word === 0)) {
    throw new FlowTextError(`${pair.value}: wildcarded value not allowed here`, pair.valueAt);
  }
  return numberOf(value);
}

function partialValue(field: Field, target: SubField, pair: Pair, text: string): bigint {
  const found = leadingFieldInteger(pair.value, byteWidth(field));
  if (found === null || found.end !== pair.value.length) {
    throw new FlowTextError(`${text}: cannot parse integer value`, pair.valueAt);
  }
  if (found.value >> BigInt(target.width) === 0n) return found.value;
  const value = formatValue(field, found.value, null, {});
  const message = `${text}: value ${value} does not fit into ${target.width} bits`;
  throw new FlowTextError(message, pair.valueAt);
}

/** Bytes of the largest constant that a load may hold. */
const IMMEDIATE_BYTES = 128;

/** `load:VALUE->FIELD` or `load:FIELD->FIELD`. */
function parseLoadPart(pair: Pair): LearnPart {
  const { value, valueAt } = pair;
  const arrow = value.indexOf("->");
  if (arrow <= 0) {
    const missing = arrow < 0 ? "missing `->'" : "missing source before `->'";
    throw new FlowTextError(`load: ${missing} in \`${value}'`, valueAt);
  }
  const found = leadingFieldInteger(value, IMMEDIATE_BYTES);
  if (found === null) return { type: "load", ...partsOfMove(value, valueAt) };
  if (found.end !== arrow) {
    throw new FlowTextError(`load: garbage before \`->' in \`${value}'`, valueAt);
  }
  const target = parseSubField(value.slice(arrow + 2), valueAt + arrow + 2);
  if (found.value >> BigInt(target.width) !== 0n) {
    throw new FlowTextError(`${value}: value does not fit into ${target.width} bits`, valueAt);
  }
  const words = wordsOf(found.value, fieldOf(target.field).words);
  return { type: "load", target, from: { type: "value", value: words } };
}

function partsOfMove(text: string, at: number): { target: SubField; from: LearnSource } {
  const { source, target } = parseMoveParts(text, at);
  return { target, from: { type: "field", source } };
}

/** `learn(table=T,...)`. Numbers are read as atoi(3) does, as Open vSwitch reads them. */
export function parseLearn(outer: Pair, context: ActionContext): Learn {
  const draft: Draft = {
    learn: {
      type: "learn",
      table: 1,
      priority: DEFAULT_PRIORITY,
      cookie: 0n,
      idleTimeout: 0,
      hardTimeout: 0,
      finIdleTimeout: 0,
      finHardTimeout: 0,
      limit: 0,
      resultDst: null,
      deleteLearned: false,
    },
    flags: [],
    parts: [],
  };
  for (const pair of innerPairs(outer, context)) applyKey(draft, pair, outer.value, context);
  return { ...draft.learn, flags: draft.flags, parts: draft.parts };
}
