// ovs-ofctl parse-nxm, parse-nx-match and parse-oxm: extensible matches as text, to bytes, decoded,
// encoded again and back to text (ofctl_parse_nxm of utilities/ovs-ofctl.c, 3.1). Any thread.
import { ByteWriter, hexDump, WireError } from "../../../../ofctl/openflow/bytes.js";
import {
  decodeMatch,
  type DecodeOptions,
  encodeMatch,
  type WireMatch,
} from "../../../../ofctl/openflow/oxm-match.js";
import { matchText, writeMatchText } from "../../../../ofctl/openflow/oxm-text.js";
import { FlowTextError } from "../../../../ofctl/text/scan.js";
import { type Call, type Verb, VerbError } from "../../call.js";
import { has } from "../../options.js";
import { versionNamed } from "../formats.js";
import { answerLines, limitedLog } from "./lines.js";

/** OFPMT_OXM, and the bytes of a match that say so. */
const OXM_TYPE = 1;
const OXM_HEAD = 4;

/** A text, to bytes and decoded. @throws WireError, VerbError. */
function decoded(line: string, options: DecodeOptions): WireMatch {
  const out = new ByteWriter();
  try {
    writeMatchText(out, line);
  } catch (error) {
    if (error instanceof FlowTextError) throw new VerbError(error.message);
    throw error;
  }
  return decodeMatch(out.done(), options);
}

/** As a message has it: with padding, and OXM with its head. */
function framed(match: Uint8Array, isOxm: boolean): Uint8Array {
  const out = new ByteWriter();
  if (isOxm) {
    out.number(OXM_TYPE, 2);
    out.number(OXM_HEAD + match.length, 2);
  }
  out.bytes(match);
  out.padTo8();
  return out.done();
}

/** @param version 10: Nicira's match. */
async function parseMatches(call: Call, version: number): Promise<void> {
  const isOxm = version > 10;
  const strict = has(call.options, "strict");
  const options = { strict, cookie: !isOxm, warn: limitedLog(call) };
  await answerLines(call, (line) => {
    try {
      const out = new ByteWriter();
      encodeMatch(out, decoded(line, options), version);
      const bytes = out.done();
      const dump = has(call.options, "more") ? `\n${hexDump(framed(bytes, isOxm))}` : "";
      return `${matchText(bytes)}${dump}`.trimEnd();
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      return `nx_pull_match() returned error ${error.message}`;
    }
  });
}

async function parseOxm(call: Call): Promise<void> {
  const name = call.args[0]!;
  const version = versionNamed(name) ?? 0;
  if (version < 12) throw new VerbError(`${name}: not a valid version for OXM`);
  await parseMatches(call, version);
}

const nxm = { min: 0, max: 0, usage: "", local: true } as const;

export const MATCH_VERBS: readonly Verb[] = [
  { name: "parse-nxm", ...nxm, run: (call) => parseMatches(call, 10) },
  { name: "parse-nx-match", ...nxm, run: (call) => parseMatches(call, 10) },
  { name: "parse-oxm", min: 1, max: 1, usage: "VERSION", local: true, run: parseOxm },
];
