// What a kind of action is on the wire: a row of a table, with the numbers that it has in each
// version of OpenFlow, its length, and how its bytes become an action and back (the stylized
// comments of enum ofp_raw_action_type in lib/ofp-actions.c of Open vSwitch 3.1). Any thread.
import type { Action } from "../../../flow/types.js";
import type { OpenFlowVersion } from "../../protocols.js";
import type { OuterAction } from "../../actions/verify.js";
import { type ByteReader, ByteWriter, type WarnLog, WireError } from "../bytes.js";

/** An action that Open vSwitch knows and this switch does not do: it can be told, and sent on. */
export interface ForeignAction {
  readonly type: "foreign";
  readonly text: string;
  /** Its body, as it is sent. */
  readonly body: Uint8Array;
}

/** The actions of a type. */
export type Of<T extends Action["type"]> = Extract<Action, { type: T }>;

export type AnyAction = Action | ForeignAction;

export interface WireAction {
  readonly action: AnyAction;
  /** The form that it came in; null: it came as text. */
  readonly row: ActionRow | null;
  /** Bytes for the controller, which an output to any port has; it means nothing there. */
  readonly maxBytes?: number;
}

export interface ActionContext {
  readonly version: OpenFlowVersion;
  readonly warn: WarnLog;
  /** Decodes a list inside an action. */
  readonly decodeInner: (bytes: Uint8Array, outer: OuterAction) => Action[];
  readonly encodeInner: (actions: readonly Action[], out: ByteWriter) => void;
}

/** 0: OpenFlow's own; Nicira's and the ONF's extensions. */
export const VENDORS = { OF: 0, NX: 0x00002320, ONF: 0x4f4e4600 } as const;

export interface RowHeader {
  readonly vendor: number;
  readonly type: number;
  readonly from: number;
  readonly to: number;
  /** Replaced and deprecated ones are understood, but another action is sent if there is one. */
  readonly use: "sent" | "replaced" | "deprecated";
}

/** Bytes of the whole action. */
export interface RowLength {
  readonly least: number;
  readonly most: number;
}

/** The longest action: its length has 16 bits and is a multiple of 8. */
const LONGEST = 65528;

export type Decoded = AnyAction | Omit<WireAction, "row">;

export interface ActionRow {
  /** In Open vSwitch's log. */
  readonly name: string;
  readonly headers: readonly RowHeader[];
  length(header: RowHeader): RowLength;
  /** @param reader stands behind the header and ends with the action. @throws WireError. */
  decode(reader: ByteReader, context: ActionContext): Decoded;
  /** Whether an action is sent so. */
  takes(action: AnyAction): boolean;
  /** Writes what follows the header. */
  encode(wire: Omit<WireAction, "row">, out: ByteWriter, context: ActionContext): void;
}

/** Bytes of a header: type and length; a vendor's number and its own type follow. */
export function headerLength(header: RowHeader): number {
  return header.vendor === 0 ? 4 : 10;
}

const HEADER = /^(OF|NX|ONF)1\.(\d)(?:(\+)|-1\.(\d))?:(\d+)([dr]?)$/;
const USES = { "": "sent", r: "replaced", d: "deprecated" } as const;

/** `OF1.0:6, OF1.1:5, OF1.2+:5d`; `d`: deprecated, `r`: replaced. */
export function headersOf(text: string): RowHeader[] {
  return text.split(", ").map((part) => {
    const [, vendor, from, isOpen, to, type, use] = HEADER.exec(part)!;
    const first = 10 + Number(from);
    const last = isOpen === "+" ? 15 : to === undefined ? first : 10 + Number(to);
    const numbers = { vendor: VENDORS[vendor as keyof typeof VENDORS], type: Number(type) };
    return { ...numbers, from: first, to: last, use: USES[use as keyof typeof USES] };
  });
}

type Body<A extends AnyAction> = Pick<ActionRow, "decode"> & {
  readonly takes: (action: AnyAction) => action is A;
  readonly encode: (action: A, out: ByteWriter, context: ActionContext, maxBytes: number) => void;
};

/** A row of exactly so many bytes, header included. */
export function exactRow<A extends AnyAction>(
  name: string,
  headers: string,
  bytes: number,
  body: Body<A>,
): ActionRow {
  return rowOf(name, headers, () => ({ least: bytes, most: bytes }), body);
}

/** A row of at least so many bytes, header included. */
export function openRow<A extends AnyAction>(
  name: string,
  headers: string,
  bytes: number,
  body: Body<A>,
): ActionRow {
  return rowOf(name, headers, () => ({ least: bytes, most: LONGEST }), body);
}

function rowOf<A extends AnyAction>(
  name: string,
  headers: string,
  length: ActionRow["length"],
  body: Body<A>,
): ActionRow {
  return {
    ...{ name, headers: headersOf(headers), length, decode: body.decode },
    takes: (action) => body.takes(action),
    encode: ({ action, maxBytes }, out, context) => {
      // Of an output to a field that came as text, the controller gets all bytes.
      const usual = action.type === "output-field" ? 0xffff : 0;
      if (body.takes(action)) body.encode(action, out, context, maxBytes ?? usual);
    },
  };
}

export type ArgumentBytes = 0 | 1 | 2 | 4 | 8;

/** Where an argument of so many bytes lies behind a header. */
const aligned = (at: number, bytes: ArgumentBytes): number =>
  bytes === 0 ? at : Math.ceil(at / bytes) * bytes;

/** A row whose body is one number, aligned to its own width; 0 bytes: none. */
export function argumentRow<A extends AnyAction>(
  name: string,
  headers: string,
  bytes: ArgumentBytes,
  parts: {
    readonly of: (value: bigint, context: ActionContext) => AnyAction;
    readonly takes: (action: AnyAction) => action is A;
    readonly value?: (action: A) => bigint;
  },
): ActionRow {
  const length = (header: RowHeader): RowLength => {
    const size = Math.ceil((aligned(headerLength(header), bytes) + bytes) / 8) * 8;
    return { least: size, most: size };
  };
  return rowOf<A>(name, headers, length, {
    takes: parts.takes,
    decode: (reader, context) => {
      reader.skip(aligned(reader.at, bytes) - reader.at);
      return parts.of(reader.wide(bytes), context);
    },
    encode: (action, out) => {
      out.zeros(aligned(out.length, bytes) - out.length);
      if (bytes > 0) out.wide(parts.value!(action), bytes);
    },
  });
}

/** An action of a type, where nothing else decides. */
export function isType<T extends Action["type"]>(
  type: T,
): (action: AnyAction) => action is Extract<Action, { type: T }> {
  return (action): action is Extract<Action, { type: T }> => action.type === type;
}

export function isForeign(action: AnyAction): action is ForeignAction {
  return action.type === "foreign";
}

export function refuse(error: string): never {
  throw new WireError(error);
}
