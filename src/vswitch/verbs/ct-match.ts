// Which connections a command means: `[zone=N] [TUPLE [TUPLE]]`, the tuple of the first packet and
// that of the answer (lib/ofp-ct.c ofp_ct_match_parse of Open vSwitch 3.1). Pure functions.
import { CONN, type ConnectionTable } from "../../datapath/conntrack/table.js";
import { TUPLE } from "../../datapath/conntrack/tuple.js";
import { parseIpv4, parseIpv6 } from "../../ofctl/text/addresses.js";
import { parseUnsigned, wordsOf } from "../../ofctl/text/scan.js";

/** A mistake in such arguments, in the words of Open vSwitch. */
export class CtMatchError extends Error {}

/** What a tuple must be; what is not given does not matter. */
interface TupleMatch {
  source?: bigint;
  destination?: bigint;
  /** Upper halves of end points; of ICMP, identifier, type and code. */
  from?: { value: number; mask: number };
  to?: { value: number; mask: number };
}

export interface CtMatch {
  readonly zone: number | null;
  readonly isIpv6: boolean | null;
  readonly protocol: number;
  readonly original: TupleMatch;
  readonly reply: TupleMatch;
}

const ICMP_PROTOCOLS = [1, 58];

/** Reads the arguments. @throws CtMatchError */
export function parseCtMatch(args: readonly string[]): CtMatch {
  const rest = [...args];
  let zone: number | null = null;
  if (rest[0]?.startsWith("zone=") === true) {
    const number = /^zone=([0-9]+)/.exec(rest.shift()!)?.[1];
    if (number === undefined) throw new CtMatchError("failed to parse zone");
    zone = Number(number) & 0xffff;
  }
  const reading = { isIpv6: null as boolean | null, protocol: 0 };
  const [original = {}, reply = {}] = rest.slice(0, 2).map((text) => parseTuple(text, reading));
  return { zone, ...reading, original, reply };
}

type Reading = { isIpv6: boolean | null; protocol: number };

function parseTuple(text: string, reading: Reading): TupleMatch {
  const tuple: TupleMatch = {};
  for (const pair of text.split(/[,\s]+/).filter((part) => part !== "")) {
    const [, key, value] = /^([^=:]*)(?:[=:](.*))?$/.exec(pair)!;
    if (value === undefined || value === "") {
      throw new CtMatchError(`field ${key} missing value`);
    }
    readField(tuple, key!, value, reading);
  }
  const hasPorts = [tuple.from, tuple.to].some((end) => end !== undefined && end.value !== 0);
  if (hasPorts && reading.protocol === 0) throw new CtMatchError("port is set without protocol");
  return tuple;
}

function readField(tuple: TupleMatch, key: string, value: string, reading: Reading): void {
  const number = (max: number): number => {
    const parsed = parseUnsigned(value, max);
    if (parsed === null) throw new CtMatchError(`failed to parse field ${key}`);
    return parsed;
  };
  const part = (end: "from" | "to", shift: number, max: number): void => {
    const old = tuple[end] ?? { value: 0, mask: 0 };
    const own = number(max);
    // What is 0 is as if it were not given.
    const mask = own === 0 ? 0 : max << shift;
    tuple[end] = { value: (old.value | (own << shift)) >>> 0, mask: (old.mask | mask) >>> 0 };
  };
  if (/^ct_(nw|ipv6)_(src|dst)$/.test(key)) return readAddress(tuple, key, value, reading);
  if (key === "ct_nw_proto") reading.protocol = number(255);
  else if (key === "ct_tp_src") part("from", 16, 0xffff);
  else if (key === "ct_tp_dst") part("to", 16, 0xffff);
  else if (/^icmp_(type|code|id)$/.test(key)) {
    if (!ICMP_PROTOCOLS.includes(reading.protocol)) throw new CtMatchError("invalid L4 fields");
    if (key === "icmp_id") part("from", 16, 0xffff);
    else part("from", key === "icmp_type" ? 8 : 0, 0xff);
  } else throw new CtMatchError(`invalid conntrack tuple field: ${key}`);
}

function readAddress(tuple: TupleMatch, key: string, value: string, reading: Reading): void {
  const isIpv6 = key.startsWith("ct_ipv6");
  if (reading.isIpv6 !== null && reading.isIpv6 !== isIpv6) {
    throw new CtMatchError(`the L3 protocol does not match ${value}`);
  }
  const address = isIpv6 ? parseIpv6(value) : parseIpv4(value);
  if (address === null) throw new CtMatchError(`failed to parse field ${key}`);
  reading.isIpv6 = isIpv6;
  tuple[key.endsWith("src") ? "source" : "destination"] = address;
}

/** Removes the connections that are meant. */
export function flushConnections(table: ConnectionTable, match: CtMatch): void {
  const { words } = table;
  table.flush(match.zone, (at) => {
    const kind = words[at + CONN.original + TUPLE.kind]! >>> 0;
    const isIpv6 = (kind & 0x100) !== 0;
    if (match.isIpv6 !== null && match.isIpv6 !== isIpv6) return false;
    if (match.protocol !== 0 && match.protocol !== (kind & 0xff)) return false;
    const fits = (tuple: TupleMatch, from: number): boolean =>
      fulfills(words, at + from, tuple, isIpv6);
    return fits(match.original, CONN.original) && fits(match.reply, CONN.reply);
  });
}

function fulfills(words: Int32Array, at: number, tuple: TupleMatch, isIpv6: boolean): boolean {
  const address = (wanted: bigint | undefined, from: number): boolean =>
    wanted === undefined ||
    wordsOf(wanted, isIpv6 ? 4 : 1).every((word, i) => word === words[at + from + i]! >>> 0);
  const end = (wanted: TupleMatch["from"], from: number): boolean =>
    wanted === undefined || ((words[at + from]! ^ wanted.value) & wanted.mask) === 0;
  return (
    address(tuple.source, TUPLE.source) &&
    address(tuple.destination, TUPLE.destination) &&
    end(tuple.from, TUPLE.from) &&
    end(tuple.to, TUPLE.to)
  );
}
