// Actions with parts of their own, as rows: learn, ct, nat, clone, controller with properties
// (lib/ofp-actions.c of Open vSwitch 3.1). Any thread.
import { fieldOf } from "../../../flow/fields.js";
import type { Conntrack, Learn, LearnPart, Nat, SubField } from "../../../flow/types.js";
import { numberOf, wordsOf } from "../../text/scan.js";
import { bigOf, ByteReader, type ByteWriter } from "../bytes.js";
import {
  fieldOfHeader,
  packRange,
  readField,
  sourceOf,
  unpackRange,
  writeField,
} from "./fields.js";
import { controllerOf, isPlainController, reasonNumber } from "./plain-rows.js";
import { type ActionContext, type ActionRow, isType, type Of, openRow, refuse } from "./row.js";

const NO_TABLE = 0xff;
const BAD = "OFPBAC_BAD_ARGUMENT";

const LEARN = { sendFlowRem: 1, deleteLearned: 2, writeResult: 4 } as const;
/** Parts of a learned flow: bits of the number before each (nicira-ext.h, NX_LEARN_*). */
const PART = { bits: 0x3ff, destination: 0x1800, match: 0, load: 0x800, output: 0x1000 } as const;
const PART_IMMEDIATE = 0x2000;

/** A header of 32 bits and an offset; the width was said before. */
function learnField(reader: ByteReader, width: number): SubField {
  const field = fieldOfHeader(reader.number(4));
  const offset = reader.number(2);
  return field === null ? refuse("OFPBAC_BAD_SET_TYPE") : { field, offset, width };
}

function learnParts(reader: ByteReader): LearnPart[] {
  const parts: LearnPart[] = [];
  while (reader.left >= 2) {
    const head = reader.number(2);
    if (head === 0) break;
    parts.push(learnPart(reader, head));
  }
  reader.zeros(reader.left, BAD);
  return parts;
}

function learnPart(reader: ByteReader, head: number): LearnPart {
  const width = head & PART.bits;
  const isImmediate = (head & PART_IMMEDIATE) !== 0;
  const kind = head & PART.destination;
  const isOutput = kind === PART.output && !isImmediate;
  if (kind !== PART.match && kind !== PART.load && !isOutput) refuse(BAD);
  const valueBytes = 2 * Math.ceil(width / 16);
  const wants = (isImmediate ? valueBytes : 6) + (isOutput ? 0 : 6);
  if (reader.left < wants) refuse("OFPBAC_BAD_LEN");
  const value = isImmediate ? reader.wide(valueBytes) : 0n;
  const source = isImmediate ? null : learnField(reader, width);
  if (isOutput) return { type: "output", source: source! };
  const target = learnField(reader, width);
  const type = kind === PART.load ? "load" : "match";
  if (source !== null) return { type, target, from: { type: "field", source } };
  const words = wordsOf(value, fieldOf(target.field).words);
  return { type, target, from: { type: "value", value: words } };
}

function writeLearnField(out: ByteWriter, sub: SubField): void {
  writeField(out, sub.field);
  out.number(sub.offset, 2);
}

function writeLearnPart(out: ByteWriter, part: LearnPart): void {
  if (part.type === "output") {
    out.number(part.source.width | PART.output, 2);
    return writeLearnField(out, part.source);
  }
  const { target, from } = part;
  const immediate = from.type === "value" ? PART_IMMEDIATE : 0;
  out.number(target.width | PART[part.type] | immediate, 2);
  if (from.type === "value") out.wide(numberOf(from.value), 2 * Math.ceil(target.width / 16));
  else writeLearnField(out, from.source);
  writeLearnField(out, target);
}

/** @param isLater the form with a limit and a result. */
function decodeLearn(reader: ByteReader, isLater: boolean): Learn {
  const [idleTimeout, hardTimeout, priority] = [2, 2, 2].map(() => reader.number(2));
  const cookie = reader.wide(8);
  const [flags, table] = [reader.number(2), reader.number(1)];
  const padding = reader.number(1);
  const [finIdleTimeout, finHardTimeout] = [reader.number(2), reader.number(2)];
  const limit = isLater ? reader.number(4) : 0;
  const resultOffset = isLater ? reader.number(2) : 0;
  if (isLater) reader.zeros(2, "NXBAC_MUST_BE_ZERO");
  const known = LEARN.sendFlowRem | LEARN.deleteLearned | (isLater ? LEARN.writeResult : 0);
  if (padding !== 0 || table === NO_TABLE || (flags & ~known) !== 0) refuse(BAD);
  const hasResult = (flags & LEARN.writeResult) !== 0;
  if (!hasResult && resultOffset !== 0) refuse(BAD);
  const resultDst = hasResult ? resultOf(reader, resultOffset) : null;
  return {
    ...{ type: "learn", table, priority: priority!, cookie, limit, resultDst },
    ...{ idleTimeout: idleTimeout!, hardTimeout: hardTimeout!, finIdleTimeout, finHardTimeout },
    flags: (flags & LEARN.sendFlowRem) === 0 ? [] : ["send_flow_rem"],
    deleteLearned: (flags & LEARN.deleteLearned) !== 0,
    parts: learnParts(reader),
  };
}

function resultOf(reader: ByteReader, offset: number): SubField {
  const field = readField(reader);
  if (!fieldOf(field).writable) refuse("OFPBAC_BAD_SET_ARGUMENT");
  return { field, offset, width: 1 };
}

function encodeLearn(learn: Learn, out: ByteWriter, isLater: boolean): void {
  const { idleTimeout, hardTimeout, priority, finIdleTimeout, finHardTimeout } = learn;
  for (const number of [idleTimeout, hardTimeout, priority]) out.number(number, 2);
  out.wide(learn.cookie, 8);
  const flags =
    (learn.flags.includes("send_flow_rem") ? LEARN.sendFlowRem : 0) |
    (learn.deleteLearned ? LEARN.deleteLearned : 0) |
    (learn.resultDst === null ? 0 : LEARN.writeResult);
  out.number(flags, 2);
  out.number(learn.table, 1);
  out.zeros(1);
  for (const number of [finIdleTimeout, finHardTimeout]) out.number(number, 2);
  if (isLater) {
    out.number(learn.limit, 4);
    out.number(learn.resultDst?.offset ?? 0, 2);
    out.zeros(2);
  }
  if (learn.resultDst !== null) writeField(out, learn.resultDst.field);
  for (const part of learn.parts) writeLearnPart(out, part);
}

const NAT = { source: 1, destination: 2, persistent: 4, hash: 8, random: 16 } as const;
const RANGE = { first4: 1, last4: 2, first6: 4, last6: 8, firstPort: 16, lastPort: 32 } as const;

/** Addresses and ports, of which `present` says which there are. */
function natRange(reader: ByteReader, present: number): Nat["range"] {
  const has = (bit: number): boolean => (present & bit) !== 0;
  const size = has(RANGE.first4) ? 4 : has(RANGE.first6) ? 16 : 0;
  const isMixed = has(RANGE.first4) && (has(RANGE.first6) || has(RANGE.last6));
  const hasLast = has(RANGE.last4) || has(RANGE.last6);
  const isLost = (hasLast || has(RANGE.firstPort)) && size === 0;
  const isOdd = size !== 0 && has(size === 4 ? RANGE.last6 : RANGE.last4);
  if (isMixed || isLost || isOdd || (has(RANGE.lastPort) && !has(RANGE.firstPort))) refuse(BAD);
  if (size === 0) return null;
  const first = reader.take(size);
  const last = hasLast ? reader.take(size) : null;
  const firstPort = has(RANGE.firstPort) ? reader.number(2) : 0;
  const lastPort = has(RANGE.lastPort) ? reader.number(2) : 0;
  const isDown = last !== null && bigOf(last) < bigOf(first);
  const isPortless = has(RANGE.firstPort) && firstPort === 0;
  const arePortsDown = has(RANGE.lastPort) && lastPort < firstPort;
  if (bigOf(first) === 0n || isDown || isPortless || arePortsDown) refuse(BAD);
  return { first, last, firstPort, lastPort };
}

function decodeNat(reader: ByteReader): Nat {
  reader.skip(2);
  const [flags, present] = [reader.number(2), reader.number(2)];
  const has = (bit: number): boolean => (flags & bit) !== 0;
  const isTwice = has(NAT.source) && has(NAT.destination);
  if (flags > 31 || isTwice || (has(NAT.hash) && has(NAT.random))) refuse(BAD);
  const inner = new ByteReader(reader.bytes, BAD, reader.at, reader.end);
  return {
    type: "nat",
    direction: has(NAT.source) ? "src" : has(NAT.destination) ? "dst" : null,
    range: natRange(inner, present),
    ...{ persistent: has(NAT.persistent), hash: has(NAT.hash), random: has(NAT.random) },
  };
}

function encodeNat({ direction, range, persistent, hash, random }: Nat, out: ByteWriter): void {
  const directions = { src: NAT.source, dst: NAT.destination } as const;
  const is = (bit: number, when: boolean): number => (when ? bit : 0);
  const is4 = range?.first.length === 4;
  out.zeros(2);
  out.number(
    (direction === null ? 0 : directions[direction]) |
      is(NAT.persistent, persistent) |
      is(NAT.hash, hash) |
      is(NAT.random, random),
    2,
  );
  const { last = null, firstPort = 0, lastPort = 0 } = range ?? {};
  out.number(
    is(is4 ? RANGE.first4 : RANGE.first6, range !== null) |
      is(is4 ? RANGE.last4 : RANGE.last6, last !== null) |
      is(RANGE.firstPort, firstPort !== 0) |
      is(RANGE.lastPort, lastPort !== 0),
    2,
  );
  if (range !== null) out.bytes(range.first);
  if (last !== null) out.bytes(last);
  if (firstPort !== 0) out.number(firstPort, 2);
  if (lastPort !== 0) out.number(lastPort, 2);
}

const CT = { commit: 1, force: 2 } as const;

function zoneOf(source: number, word: number, { warn }: ActionContext): Conntrack["zone"] {
  if (source === 0) return word;
  const zone = sourceOf(fieldOfHeader(source), unpackRange(word), warn);
  if (zone.width === 16) return zone;
  warn("ofp_actions", `zone n_bits ${zone.width} not within valid range [16..16]`);
  return refuse("OFPBAC_BAD_SET_LEN");
}

function decodeConntrack(reader: ByteReader, context: ActionContext): Conntrack {
  const flags = reader.number(2);
  const [commit, force] = [(flags & CT.commit) !== 0, (flags & CT.force) !== 0];
  if (force && !commit) refuse(BAD);
  const zone = zoneOf(reader.number(4), reader.number(2), context);
  const table = reader.number(1);
  reader.skip(3);
  const alg = reader.number(2);
  const actions = context.decodeInner(reader.take(reader.left), "ct");
  const isBare = (nat: Conntrack["actions"][number]): boolean =>
    nat.type === "nat" && nat.direction === null && nat.range === null;
  if (!commit && !actions.every(isBare)) {
    const what = "CT action requires commit flag if actions other than NAT without arguments";
    context.warn("ofp_actions", `${what} are specified.`);
    refuse(BAD);
  }
  return {
    ...{ type: "ct", commit, force, zone, alg, actions },
    table: table === NO_TABLE ? null : table,
  };
}

function encodeConntrack(ct: Conntrack, out: ByteWriter, context: ActionContext): void {
  out.number((ct.commit ? CT.commit : 0) | (ct.force ? CT.force : 0), 2);
  if (typeof ct.zone === "number") {
    out.zeros(4);
    out.number(ct.zone, 2);
  } else {
    writeField(out, ct.zone.field);
    out.number(packRange(ct.zone), 2);
  }
  out.number(ct.table ?? NO_TABLE, 1);
  out.zeros(3);
  out.number(ct.alg, 2);
  context.encodeInner(ct.actions, out);
}

/** Properties of a controller action, type and length before each (NXAC2PT_*). */
const PROPERTY = { maxBytes: 0, id: 1, reason: 2, userdata: 3, pause: 4, meter: 5 } as const;

type Controller = Of<"controller">;

function decodeController(reader: ByteReader): Controller {
  reader.zeros(6, "NXBRC_MUST_BE_ZERO");
  const numbers: [maxBytes: number, reason: number, id: number] = [0xffff, 1, 0];
  let more: Pick<Controller, "userdata" | "pause" | "meter"> = {};
  while (reader.left > 0) {
    if (reader.left < 4) refuse("OFPBPC_BAD_LEN");
    const [type, length] = [reader.number(2), reader.number(2)];
    if (length < 4 || Math.ceil(length / 8) * 8 - 4 > reader.left) refuse("OFPBPC_BAD_LEN");
    const payload = new ByteReader(reader.take(length - 4), "OFPBPC_BAD_LEN");
    reader.skip(-length & 7);
    if (type === PROPERTY.maxBytes) numbers[0] = payload.number(2);
    else if (type === PROPERTY.id) numbers[2] = payload.number(2);
    else if (type === PROPERTY.reason) numbers[1] = payload.number(1);
    else if (type === PROPERTY.userdata) more = { ...more, userdata: payload.take(payload.left) };
    else if (type === PROPERTY.pause) more = { ...more, pause: true };
    else if (type === PROPERTY.meter) more = { ...more, meter: payload.number(4) };
    else refuse("OFPBPC_BAD_TYPE");
  }
  return { ...controllerOf(...numbers), ...more };
}

function encodeController(action: Controller, out: ByteWriter): void {
  const property = (type: number, value: bigint, bytes: number): void => {
    const start = out.length;
    out.number(type, 2);
    out.number(4 + bytes, 2);
    out.wide(value, bytes);
    out.padTo8(start);
  };
  const { userdata = new Uint8Array(0), meter } = action;
  out.zeros(6);
  // Numbers of 16 bits have two bytes of padding that count.
  const number16 = (type: number, value: number): void => property(type, BigInt(value) << 16n, 4);
  if (action.maxBytes !== 0xffff) number16(PROPERTY.maxBytes, action.maxBytes);
  if (action.id !== 0) number16(PROPERTY.id, action.id);
  if (action.reason !== "action") property(PROPERTY.reason, BigInt(reasonNumber(action)), 1);
  if (userdata.length > 0) property(PROPERTY.userdata, bigOf(userdata), userdata.length);
  if (action.pause === true) property(PROPERTY.pause, 0n, 0);
  if (meter !== undefined) property(PROPERTY.meter, BigInt(meter), 4);
}

export const NESTED_ROWS: readonly ActionRow[] = [
  openRow<Learn>("NXAST_LEARN", "NX1.0+:16", 32, {
    decode: (reader) => decodeLearn(reader, false),
    takes: (action): action is Learn =>
      action.type === "learn" && action.limit === 0 && action.resultDst === null,
    encode: (action, out) => encodeLearn(action, out, false),
  }),
  openRow<Learn>("NXAST_LEARN2", "NX1.0+:45", 40, {
    decode: (reader) => decodeLearn(reader, true),
    takes: isType("learn"),
    encode: (action, out) => encodeLearn(action, out, true),
  }),
  openRow<Conntrack>("NXAST_CT", "NX1.0+:35", 24, {
    decode: decodeConntrack,
    takes: isType("ct"),
    encode: encodeConntrack,
  }),
  openRow<Nat>("NXAST_NAT", "NX1.0+:36", 16, {
    decode: decodeNat,
    takes: isType("nat"),
    encode: encodeNat,
  }),
  openRow<Of<"clone">>("NXAST_CLONE", "NX1.0+:42", 16, {
    decode: (reader, { decodeInner }) => {
      reader.skip(6);
      return { type: "clone", actions: decodeInner(reader.take(reader.left), null) };
    },
    takes: isType("clone"),
    encode: (action, out, { encodeInner }) => {
      out.zeros(6);
      encodeInner(action.actions, out);
    },
  }),
  openRow<Controller>("NXAST_CONTROLLER2", "NX1.0+:37", 16, {
    decode: decodeController,
    takes: (action): action is Controller =>
      action.type === "controller" && !isPlainController(action),
    encode: encodeController,
  }),
];
