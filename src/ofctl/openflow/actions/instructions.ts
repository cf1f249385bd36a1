// Instructions of OpenFlow 1.1 and later, decoded and encoded; in 1.0 they are actions
// (lib/ofp-actions.c ofpacts_pull_openflow_instructions, ofpacts_put_openflow_instructions of Open
// vSwitch 3.1). Any thread.
import type { Action } from "../../../flow/types.js";
import { isInActionSet } from "../../actions/check.js";
import { receivedActions } from "../../print/received.js";
import { ByteReader, type ByteWriter, WireError } from "../bytes.js";
import { decodeActions, decodeList, encodeActions, verifyWire, type WireOptions } from "./codec.js";
import { type AnyAction, refuse, type WireAction } from "./row.js";

/** Numbers of instructions, and the bytes that each has at least; `isOpen`: or more. */
const KINDS = {
  "goto-table": { type: 1, bytes: 8, isOpen: false },
  "write-metadata": { type: 2, bytes: 24, isOpen: false },
  "write-actions": { type: 3, bytes: 8, isOpen: true },
  "apply-actions": { type: 4, bytes: 8, isOpen: true },
  "clear-actions": { type: 5, bytes: 8, isOpen: false },
  meter: { type: 6, bytes: 8, isOpen: false },
} as const;

type Kind = keyof typeof KINDS;

const EXPERIMENTER = 0xffff;
const BAD_LENGTH = "OFPBIC_BAD_LEN";
/** From this version on a meter is an action. */
const METER_ACTION = 15;

function kindOf(type: number, length: number, version: number): Kind {
  if (type === EXPERIMENTER) refuse("OFPBIC_BAD_EXPERIMENTER");
  const kind = (Object.keys(KINDS) as Kind[]).find((name) => KINDS[name].type === type);
  if (kind === undefined) return refuse("OFPBIC_UNKNOWN_INST");
  const { bytes, isOpen } = KINDS[kind];
  if (length !== bytes && !(isOpen && length > bytes)) refuse(BAD_LENGTH);
  if (kind === "meter" && version >= METER_ACTION) refuse("OFPBIC_UNKNOWN_INST");
  return kind;
}

/** The bodies of the instructions, each at most once. */
function splitInstructions(bytes: Uint8Array, options: WireOptions): Map<Kind, ByteReader> {
  const { version, warn } = options;
  if (bytes.length % 8 !== 0) {
    const what = `OpenFlow message instructions length ${bytes.length} is not a multiple of 8`;
    warn("ofp_actions", what);
    throw new WireError(BAD_LENGTH);
  }
  const found = new Map<Kind, ByteReader>();
  const reader = new ByteReader(bytes, BAD_LENGTH);
  while (reader.left > 0) {
    const start = reader.at;
    const [type, length] = [reader.number(2), reader.number(2)];
    if (length < 8 || length % 8 !== 0 || length - 4 > reader.left) {
      warn("ofp_actions", `bad instruction format at offset ${start}`);
      throw new WireError(BAD_LENGTH);
    }
    const body = new ByteReader(reader.take(length - 4), BAD_LENGTH);
    const kind = kindOf(type, length, version);
    if (found.has(kind)) throw new WireError("OFPBIC_DUP_INST");
    found.set(kind, body);
  }
  return found;
}

/** A list of actions behind four bytes of padding. */
function listIn(body: ByteReader, options: WireOptions): WireAction[] {
  body.skip(4);
  return decodeList(body.take(body.left), options);
}

const own = (action: AnyAction): Action =>
  action.type === "foreign" ? refuse("OFPBAC_BAD_TYPE") : action;

/** In the order in which they are done. */
function actionsOf(kind: Kind, body: ByteReader, options: WireOptions): WireAction[] {
  const asAction = (action: Action): WireAction[] => [{ action, row: null }];
  switch (kind) {
    case "meter":
      return asAction({ type: "meter", meter: body.number(4) });
    case "apply-actions":
      return listIn(body, options);
    case "clear-actions":
      return asAction({ type: "clear-actions" });
    case "write-actions": {
      const actions = listIn(body, options).map(({ action }) => own(action));
      if (!actions.every(isInActionSet)) {
        options.warn("ofp_actions", "disallowed action in action set");
        refuse("OFPBAC_BAD_TYPE");
      }
      return asAction({ type: "write-actions", actions });
    }
    case "write-metadata":
      body.skip(4);
      return asAction({ type: "write-metadata", value: body.wide(8), mask: body.wide(8) });
    case "goto-table":
      return asAction({ type: "goto-table", table: body.number(1) });
  }
}

const IN_ORDER: readonly Kind[] = [
  ...(["meter", "apply-actions", "clear-actions"] as const),
  ...(["write-actions", "write-metadata", "goto-table"] as const),
];

/** Decodes instructions, in 1.0 actions. @throws WireError. */
export function decodeInstructions(bytes: Uint8Array, options: WireOptions): WireAction[] {
  if (options.version === 10) return decodeActions(bytes, options, { instructions: true });
  const found = splitInstructions(bytes, options);
  const actions = IN_ORDER.flatMap((kind) => {
    const body = found.get(kind);
    return body === undefined ? [] : actionsOf(kind, body, options);
  });
  verifyWire(actions, { instructions: true }, options.warn);
  return actions;
}

/** The instruction that an action is; null: it is applied. */
function instructionOf({ action }: WireAction, version: number): Kind | null {
  if (action.type === "meter" && version >= METER_ACTION) return null;
  return action.type in KINDS ? (action.type as Kind) : null;
}

function writeInstruction(out: ByteWriter, kind: Kind, body: (out: ByteWriter) => void): void {
  const start = out.length;
  out.number(KINDS[kind].type, 2);
  out.zeros(2);
  body(out);
  out.padTo8(start);
  out.patch16(start + 2, out.length - start);
}

function writeOwn(out: ByteWriter, action: Action, options: WireOptions): void {
  switch (action.type) {
    case "meter":
      return writeInstruction(out, "meter", (body) => body.number(action.meter, 4));
    case "clear-actions":
      return writeInstruction(out, "clear-actions", (body) => body.zeros(4));
    case "goto-table":
      return writeInstruction(out, "goto-table", (body) => body.number(action.table, 1));
    case "write-metadata":
      return writeInstruction(out, "write-metadata", (body) => {
        body.zeros(4);
        body.wide(action.value, 8);
        body.wide(action.mask, 8);
      });
    case "write-actions":
      return writeInstruction(out, "write-actions", (body) => {
        body.zeros(4);
        encodeActions(
          body,
          action.actions.map((one) => ({ action: one, row: null })),
          options,
        );
      });
    default:
      return;
  }
}

/** Appends instructions, in 1.0 actions. */
export function encodeInstructions(
  out: ByteWriter,
  actions: readonly WireAction[],
  options: WireOptions,
): void {
  const { version } = options;
  if (version === 10) return encodeActions(out, actions, options);
  for (let at = 0; at < actions.length;) {
    const wire = actions[at]!;
    if (instructionOf(wire, version) !== null) {
      const sent =
        wire.action.type === "foreign" ? [] : receivedActions([wire.action], version, null);
      for (const action of sent) writeOwn(out, action, options);
      at++;
      continue;
    }
    const end = actions.findIndex((one, i) => i > at && instructionOf(one, version) !== null);
    const run = actions.slice(at, end < 0 ? actions.length : end);
    writeInstruction(out, "apply-actions", (body) => {
      body.zeros(4);
      encodeActions(body, run, options);
    });
    at += run.length;
  }
}
