// `ct(...)` and `nat(...)` (lib/ofp-actions.c parse_CT, parse_NAT, str_to_nat_range; 3.1).
// Slow path; any thread.
import type { Action, Conntrack, Nat } from "../../flow/types.js";
import { parseIpv4, parseIpv6 } from "../text/addresses.js";
import { leadingInteger } from "../text/numbers.js";
import { parseTable } from "../text/ports.js";
import { FlowTextError, type Pair } from "../text/scan.js";
import { parseSubField } from "../text/subfield.js";
import { innerPairs, type ActionContext } from "./context.js";

/** Helpers by name, as the port number that stands for them. */
export const HELPERS: Readonly<Record<string, number>> = { ftp: 21, tftp: 69 };

/** Reads the list inside `exec(...)`; given by parse-actions.ts, which knows all actions. */
export type ExecParser = (pair: Pair, context: ActionContext) => readonly Action[];

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };

/** A number of 16 bits, or a sub-field. */
function parseZone(pair: Pair): Conntrack["zone"] {
  const number = leadingInteger(pair.value);
  const isNumber = number !== null && number.end === pair.value.length && number.value <= 0xffffn;
  return isNumber ? Number(number.value) : parseSubField(pair.value, pair.valueAt);
}

function parseRecirculationTable(pair: Pair, { ports }: ActionContext): number {
  const table = parseTable(pair.value, ports);
  if (table === null) throw new FlowTextError(`unknown table ${pair.value}`, pair.valueAt);
  if (table === 255) throw new FlowTextError("invalid table 0xff", pair.valueAt);
  return table;
}

function parseHelper(pair: Pair): number {
  const port = Object.hasOwn(HELPERS, pair.value) ? HELPERS[pair.value] : undefined;
  if (port !== undefined) return port;
  throw new FlowTextError(`invalid conntrack helper "${pair.value}"`, pair.valueAt);
}

/** `ct(commit,force,table=T,zone=Z,alg=A,nat(...),exec(...))`. */
export function parseConntrack(
  outer: Pair,
  context: ActionContext,
  parseExec: ExecParser,
): Conntrack {
  const ct: Mutable<Conntrack> = {
    type: "ct",
    commit: false,
    force: false,
    zone: 0,
    table: null,
    alg: 0,
    actions: [],
  };
  for (const pair of innerPairs(outer, context)) {
    switch (pair.key) {
      case "commit":
        ct.commit = true;
        break;
      case "force":
        ct.force = true;
        break;
      case "table":
        ct.table = parseRecirculationTable(pair, context);
        break;
      case "zone":
        ct.zone = parseZone(pair);
        break;
      case "alg":
        ct.alg = parseHelper(pair);
        break;
      case "nat":
        ct.actions = [...ct.actions, parseNat(pair, context)];
        break;
      case "exec":
        ct.actions = [...ct.actions, ...parseExec(pair, context)];
        break;
      default: {
        const message = `invalid argument to "ct" action: \`${pair.key}'`;
        throw new FlowTextError(message, pair.keyAt);
      }
    }
  }
  if (ct.force && !ct.commit) {
    throw new FlowTextError('"force" flag requires "commit" flag.', outer.keyAt);
  }
  return ct;
}

/** `nat`, `nat(src=RANGE,...)`, `nat(dst=RANGE,...)`. */
export function parseNat(outer: Pair, context: ActionContext): Nat {
  const flags = new Set<string>();
  let range: Nat["range"] = null;
  for (const pair of innerPairs(outer, context)) {
    if (!["src", "dst", "persistent", "hash", "random"].includes(pair.key)) {
      throw new FlowTextError(`invalid key "${pair.key}" in "nat" argument`, pair.keyAt);
    }
    flags.add(pair.key);
    if (pair.key === "src" || pair.key === "dst") range = parseRange(pair);
  }
  const refuse = (message: string): never => {
    throw new FlowTextError(message, outer.keyAt);
  };
  if (flags.has("src") && flags.has("dst")) refuse('May only specify one of "src" or "dst".');
  const direction = flags.has("src") ? "src" : flags.has("dst") ? "dst" : null;
  if (direction === null && flags.size > 0) refuse('Flags allowed only with "src" or "dst".');
  if (flags.has("hash") && flags.has("random")) {
    refuse('Both "hash" and "random" are not allowed.');
  }
  return {
    type: "nat",
    direction,
    range,
    persistent: flags.has("persistent"),
    hash: flags.has("hash"),
    random: flags.has("random"),
  };
}

const IPV4 = /^[+-]?\d+(?:\.[+-]?\d+){3}/;
const IPV6 = /^(?:\[([0-9a-fA-F:.]+)\]|([0-9a-fA-F:.]+))/;

interface Address {
  readonly bytes: Uint8Array;
  readonly value: bigint;
  readonly end: number;
}

/** The address that a text begins with; IPv6 with or without brackets. */
function leadingAddress(text: string, size: 4 | 16): Address | null {
  const parts = (size === 4 ? IPV4 : IPV6).exec(text);
  if (parts === null) return null;
  const address = parts[1] ?? parts[2] ?? parts[0];
  const value = size === 4 ? parseIpv4(address) : parseIpv6(address);
  if (value === null) return null;
  const bytes = Uint8Array.from({ length: size }, (_, i) =>
    Number((value >> BigInt(8 * (size - 1 - i))) & 255n),
  );
  return { bytes, value, end: parts[0].length };
}

/** `ADDRESS[-ADDRESS][:PORT[-PORT]]`; nothing, or an address of zeros, is no range. */
function parseRange(pair: Pair): Nat["range"] {
  const text = pair.value;
  const refuse = (): never => {
    throw new FlowTextError(`invalid nat range "${text}"`, pair.valueAt);
  };
  const first = leadingAddress(text, 4) ?? leadingAddress(text, 16);
  // What looks like an IPv6 address and is none is passed over, and means no range.
  let at = first?.end ?? IPV6.exec(text)?.[0].length ?? 0;
  let last: Address | null = null;
  if (first !== null && text[at] === "-") {
    last = leadingAddress(text.slice(at + 1), first.bytes.length as 4 | 16);
    if (last === null || last.value < first.value) return refuse();
    at += 1 + last.end;
  }
  let [firstPort, lastPort] = [0, 0];
  if (first !== null && text[at] === ":") {
    const ports = /^:(\d+)(-(\d*))?/.exec(text.slice(at));
    if (ports === null) return refuse();
    firstPort = Number(ports[1]) & 0xffff;
    lastPort = ports[2] === undefined ? 0 : Number(ports[3]) & 0xffff;
    if (ports[2] !== undefined && (ports[3] === "" || lastPort < firstPort)) return refuse();
    at += ports[0].length;
  }
  if (at !== text.length) {
    const message = `garbage (${text.slice(at)}) after nat range "${text}" (pos: ${at})`;
    throw new FlowTextError(message, pair.valueAt);
  }
  if (first === null) return null;
  if (first.value === 0n) {
    // An address of zeros is as good as none, but then nothing may come after it.
    if (last === null && firstPort === 0) return null;
    const message = "actions are invalid with specified match (OFPBAC_BAD_ARGUMENT)";
    throw new FlowTextError(message, pair.valueAt);
  }
  const isOne = last === null || last.value === first.value;
  return {
    first: first.bytes,
    last: isOne ? null : last!.bytes,
    firstPort,
    lastPort: lastPort === firstPort ? 0 : lastPort,
  };
}
