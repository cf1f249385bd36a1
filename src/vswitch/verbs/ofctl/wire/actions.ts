// ovs-ofctl parse-actions and parse-instructions: bytes in hexadecimal, decoded, told, and encoded
// again, with what is different then (ofctl_parse_actions__ of utilities/ovs-ofctl.c, 3.1). Any
// thread.
import { newMatch } from "../../../../flow/match.js";
import type { Action } from "../../../../flow/types.js";
import { checkActions, UnfitAction } from "../../../../ofctl/actions/check.js";
import {
  decodeActions,
  encodeActions,
  type WireOptions,
} from "../../../../ofctl/openflow/actions/codec.js";
import {
  decodeInstructions,
  encodeInstructions,
} from "../../../../ofctl/openflow/actions/instructions.js";
import type { AnyAction, WireAction } from "../../../../ofctl/openflow/actions/row.js";
import { ByteWriter, hexOf, leadingHex, WireError } from "../../../../ofctl/openflow/bytes.js";
import { printActions } from "../../../../ofctl/print/format-actions.js";
import { formatsOfVersions, type OpenFlowVersion } from "../../../../ofctl/protocols.js";
import { type Call, type Verb, VerbError } from "../../call.js";
import { versionNamed } from "../formats.js";
import { contentLines, limitedLog } from "./lines.js";

function actionText(action: AnyAction): string {
  return action.type === "foreign" ? action.text : printActions([action]);
}

/** What a list is called. */
function listText(actions: readonly WireAction[]): string {
  const texts = actions.map(({ action }) => actionText(action));
  return texts.length === 0 ? "drop" : texts.join(",");
}

/** `place: old -> new` for each byte that is another. */
function differences(a: Uint8Array, b: Uint8Array): string {
  const shown = (bytes: Uint8Array, at: number): string =>
    at < bytes.length ? hexOf(bytes.subarray(at, at + 1)) : "(none)";
  let text = "";
  for (let at = 0; at < Math.max(a.length, b.length); at++) {
    if (a[at] === b[at]) continue;
    text += `${String(at).padStart(2)}: ${shown(a, at)} -> ${shown(b, at)}\n`;
  }
  return text;
}

/** Whether instructions fit a flow of a table that matches everything. @throws WireError. */
function checkInstructions(
  actions: readonly WireAction[],
  table: number,
  version: OpenFlowVersion,
): void {
  const own = actions
    .map(({ action }) => action)
    .filter((action): action is Action => {
      return action.type !== "foreign";
    });
  const formats = formatsOfVersions([version]);
  const placed = own.map((action) => ({ action, at: 0 }));
  try {
    const fitting = checkActions(placed, newMatch(), table);
    if ((fitting & formats) !== formats) throw new WireError("OFPBAC_MATCH_INCONSISTENT");
  } catch (error) {
    if (error instanceof UnfitAction) throw new WireError(error.code);
    throw error;
  }
}

/** `[table,]bytes`. */
function readLine(line: string): { table: number; bytes: Uint8Array } {
  const comma = line.indexOf(",");
  const table = comma < 0 ? 0 : Number.parseInt(line, 10) || 0;
  const { bytes, end } = leadingHex(line, comma + 1);
  if (end !== line.length) throw new VerbError("Trailing garbage in hex data");
  return { table, bytes };
}

async function parseLines(call: Call, isInstructions: boolean): Promise<void> {
  const name = call.args[0]!;
  const version = versionNamed(name);
  if (version === null) throw new VerbError(`${name}: not a valid OpenFlow version`);
  const options: WireOptions = { version, warn: limitedLog(call) };
  const decode = isInstructions ? decodeInstructions : decodeActions;
  const encode = isInstructions ? encodeInstructions : encodeActions;
  for (const line of await contentLines(call)) {
    const { table, bytes } = readLine(line);
    try {
      const actions = decode(bytes, options);
      if (isInstructions) checkInstructions(actions, table, version);
      const out = new ByteWriter();
      encode(out, actions, options);
      call.out(`actions=${listText(actions)}\n${differences(bytes, out.done())}\n`);
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      const what = isInstructions ? "instructions" : "actions";
      call.out(`bad ${name} ${what}: ${error.message}\n\n`);
    }
  }
}

const verb = { min: 1, max: 1, usage: "VERSION", local: true } as const;

export const ACTION_VERBS: readonly Verb[] = [
  { name: "parse-actions", ...verb, run: (call) => parseLines(call, false) },
  { name: "parse-instructions", ...verb, run: (call) => parseLines(call, true) },
];
