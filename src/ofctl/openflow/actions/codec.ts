// Lists of actions, decoded and encoded: which row a header names, whether its length fits, and
// which row an action is sent by (lib/ofp-actions.c ofpacts_decode, ofpacts_put_openflow_actions of
// Open vSwitch 3.1). Bytes may be hostile: whatever is wrong with them is a WireError. Any thread.
import type { Action } from "../../../flow/types.js";
import { MisplacedAction, type OuterAction, verifyActions } from "../../actions/verify.js";
import { receivedActions } from "../../print/received.js";
import type { OpenFlowVersion } from "../../protocols.js";
import { ByteReader, ByteWriter, logHexDump, type WarnLog, WireError } from "../bytes.js";
import { FIELD_ROWS } from "./field-rows.js";
import { FOREIGN_ROWS } from "./foreign-rows.js";
import { NESTED_ROWS } from "./nested-rows.js";
import { PLAIN_ROWS } from "./plain-rows.js";
import {
  type ActionContext,
  type ActionRow,
  type AnyAction,
  refuse,
  type RowHeader,
  VENDORS,
  type WireAction,
} from "./row.js";

/** Of two rows that take an action, the first is sent. */
const ROWS: readonly ActionRow[] = [...PLAIN_ROWS, ...FIELD_ROWS, ...NESTED_ROWS, ...FOREIGN_ROWS];

interface Known {
  readonly row: ActionRow;
  readonly header: RowHeader;
}

const VENDOR_TYPE = 0xffff;
const LAST_VERSION = 15;

const keyOf = (vendor: number, type: number, version: number): string =>
  `${vendor}:${type}:${version}`;

const BY_HEADER = new Map<string, Known>();
for (const row of ROWS) {
  for (const header of row.headers) {
    for (let version = header.from; version <= Math.min(header.to, LAST_VERSION); version++) {
      BY_HEADER.set(keyOf(header.vendor, header.type, version), { row, header });
    }
  }
}

export interface WireOptions {
  readonly version: OpenFlowVersion;
  readonly warn: WarnLog;
  /** Lists that this one stands in; absent: none. */
  readonly depth?: number;
}

/** Lists that may stand in one another: as deep as a translation goes. */
const DEEPEST = 64;

function contextOf(options: WireOptions): ActionContext {
  const depth = (options.depth ?? 0) + 1;
  return {
    ...options,
    decodeInner: (bytes, outer) => {
      if (depth > DEEPEST) refuse("OFPBAC_TOO_MANY");
      const inner = decodeActions(bytes, { ...options, depth }, { outer });
      return inner.map(({ action }) => ownAction(action));
    },
    encodeInner: (actions, out) => encodeActions(out, actions.map(asWire), options),
  };
}

/** Of what this switch does not do, nothing can be told inside another action. */
function ownAction(action: AnyAction): Action {
  return action.type === "foreign" ? refuse("OFPBAC_BAD_TYPE") : action;
}

const asWire = (action: Action): WireAction => ({ action, row: null });

/** `OpenFlow13`. */
const versionName = (version: number): string => `OpenFlow${version}`;

/** Which row the next header names. */
function findRow(reader: ByteReader, { version, warn }: WireOptions): Known {
  const short = "OFPBAC_BAD_LEN";
  if (reader.left < 8) refuse(short);
  const ahead = new ByteReader(reader.bytes, short, reader.at, reader.end);
  let type = ahead.number(2);
  ahead.skip(2);
  let vendor: number = VENDORS.OF;
  if (type === VENDOR_TYPE) {
    vendor = ahead.number(4);
    if (vendor !== VENDORS.NX && vendor !== VENDORS.ONF) {
      warn("ofp_actions", `OpenFlow action has unknown vendor 0x${vendor.toString(16)}`);
      refuse("OFPBAC_BAD_VENDOR");
    }
    if (reader.left < 16) refuse(short);
    type = ahead.number(2);
  }
  const found = BY_HEADER.get(keyOf(vendor, type, version));
  if (found !== undefined) return found;
  const hex = vendor === 0 ? "0" : `0x${vendor.toString(16)}`;
  const what = `unknown ${versionName(version)} action for vendor ${hex} and type ${type}`;
  warn("ofp_actions", what);
  return refuse(vendor === 0 ? "OFPBAC_BAD_TYPE" : "OFPBAC_BAD_VENDOR_TYPE");
}

/** The bytes of the next action. */
function takeAction(
  reader: ByteReader,
  { row, header }: Known,
  { version, warn }: WireOptions,
): Uint8Array {
  if (header.use === "deprecated") {
    const what = `${row.name} is deprecated in ${versionName(version)} (use Set-Field)`;
    warn("ofp_actions", what, "info");
  }
  const length = (reader.bytes[reader.at + 2]! << 8) | reader.bytes[reader.at + 3]!;
  const { least, most } = row.length(header);
  const complain = (what: string): never => {
    warn("ofp_actions", `OpenFlow action ${row.name} length ${length} ${what}`);
    return refuse("OFPBAC_BAD_LEN");
  };
  if (length > reader.left) complain(`exceeds action buffer length ${reader.left}`);
  if (length < least || length > most) complain(`not in valid range [${least},${most}]`);
  if (length % 8 !== 0) complain("is not a multiple of 8");
  return reader.take(length);
}

function decodeOne(reader: ByteReader, context: ActionContext): WireAction {
  const known = findRow(reader, context);
  const bytes = takeAction(reader, known, context);
  const from = known.header.vendor === 0 ? 4 : 10;
  const inside = new ByteReader(bytes, "OFPBAC_BAD_LEN", from);
  const decoded = known.row.decode(inside, context);
  return "action" in decoded ? { ...decoded, row: known.row } : { action: decoded, row: known.row };
}

/**
 * Decodes a list, without a look at what may stand where.
 * @throws WireError.
 */
export function decodeList(bytes: Uint8Array, options: WireOptions): WireAction[] {
  const context = contextOf(options);
  const reader = new ByteReader(bytes, "OFPBAC_BAD_LEN");
  const actions: WireAction[] = [];
  let start = 0;
  try {
    while (reader.left > 0) {
      start = reader.at;
      actions.push(decodeOne(reader, context));
    }
  } catch (error) {
    if (!(error instanceof WireError)) throw error;
    const where = `bad action at offset ${start} (${error.message}):`;
    options.warn("ofp_actions", `${where}\n${logHexDump(bytes)}`);
    throw error;
  }
  return actions;
}

export interface Place {
  /** The action that the list stands in. */
  readonly outer?: OuterAction;
  /** Instructions may stand among the actions. */
  readonly instructions?: boolean;
}

/** Whether actions may stand as they do. @throws WireError. */
export function verifyWire(actions: readonly WireAction[], place: Place, warn: WarnLog): void {
  const placed = actions.flatMap(({ action }) => {
    return action.type === "foreign" ? [] : [{ action, at: 0 }];
  });
  try {
    verifyActions(placed, place.instructions === true, place.outer ?? null);
  } catch (error) {
    if (!(error instanceof MisplacedAction)) throw error;
    warn("ofp_actions", error.message, "unlimited");
    throw new WireError(error.code);
  }
}

/**
 * Decodes a list of actions.
 * @throws WireError.
 */
export function decodeActions(
  bytes: Uint8Array,
  options: WireOptions,
  place: Place = {},
): WireAction[] {
  if (bytes.length % 8 !== 0) {
    const what = `OpenFlow message actions length ${bytes.length} is not a multiple of 8`;
    options.warn("ofp_actions", what);
    throw new WireError("OFPBRC_BAD_LEN");
  }
  const actions = decodeList(bytes, options);
  verifyWire(actions, place, options.warn);
  return actions;
}

const headerIn = (row: ActionRow, version: number): RowHeader | undefined =>
  row.headers.find(({ from, to }) => from <= version && version <= to);

const isSent = (row: ActionRow, version: number): boolean => headerIn(row, version)?.use === "sent";

function writeAction(
  out: ByteWriter,
  row: ActionRow,
  wire: WireAction,
  context: ActionContext,
): void {
  const header = headerIn(row, context.version)!;
  const own = new ByteWriter();
  own.number(header.vendor === 0 ? header.type : VENDOR_TYPE, 2);
  own.zeros(2);
  if (header.vendor !== 0) {
    own.number(header.vendor, 4);
    own.number(header.type, 2);
  }
  row.encode(wire, own, context);
  own.padTo8();
  own.zeros(Math.max(0, row.length(header).least - own.length));
  own.patch16(2, own.length);
  out.bytes(own.done());
}

/** Appends actions in the words of a version; those that it has no words for are left out. */
export function encodeActions(
  out: ByteWriter,
  actions: readonly WireAction[],
  options: WireOptions,
): void {
  const context = contextOf(options);
  const { version } = options;
  for (const wire of actions) {
    const { row, action } = wire;
    const isAsItCame = row !== null && row.takes(action) && isSent(row, version);
    if (isAsItCame) writeAction(out, row, wire, context);
    else
      for (const one of received(action, version))
        writeBest(out, { ...wire, action: one }, context);
  }
}

const received = (action: AnyAction, version: OpenFlowVersion): readonly AnyAction[] =>
  action.type === "foreign" ? [action] : receivedActions([action], version, null);

/** In an older form only if there is no other. */
function writeBest(out: ByteWriter, wire: WireAction, context: ActionContext): void {
  const { version } = context;
  const taking = ROWS.filter((row) => row.takes(wire.action) && headerIn(row, version));
  const row = taking.find((one) => isSent(one, version)) ?? taking[0];
  if (row !== undefined) writeAction(out, row, wire, context);
}
