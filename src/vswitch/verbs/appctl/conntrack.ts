// Verbs of ovs-appctl about tracked connections: dpctl/dump-conntrack, flush-conntrack and counts
// (lib/ct-dpif.c of Open vSwitch 3.1). Main thread.
import { TCP_STATES } from "../../../datapath/conntrack/states.js";
import { CONN, type ConnectionTable, ticksOf } from "../../../datapath/conntrack/table.js";
import { TUPLE } from "../../../datapath/conntrack/tuple.js";
import { formatIpv4, formatIpv6 } from "../../../ofctl/text/addresses.js";
import type { Call, Verb } from "../call.js";
import { CtMatchError, flushConnections, parseCtMatch } from "../ct-match.js";
import { Refusal } from "./refusal.js";

const PROTOCOLS: Readonly<Record<number, string>> = {
  1: "icmp",
  6: "tcp",
  17: "udp",
  58: "icmpv6",
  132: "sctp",
};

/** The one table that all bridges share; null: there is no bridge. */
function tableOf(call: Call): ConnectionTable | null {
  return call.control.bridges()[0]?.connections ?? null;
}

/** `zone=5` among the arguments; names of the datapath are read over. */
function zoneOf(call: Call): number | null {
  let zone: number | null = null;
  for (const arg of call.args) {
    const match = /^zone=([0-9]+)$/.exec(arg);
    if (match !== null) zone = Number(match[1]);
    else if (!/^(-[ms]|--more|--statistics|[a-z]+@.*|ovs-[a-z]+)$/.test(arg)) {
      throw new Refusal(`${arg}: not supported here`);
    }
  }
  return zone;
}

function tupleText(words: Int32Array, at: number, protocol: number, isIpv6: boolean): string {
  const address = (from: number): string => {
    if (!isIpv6) return formatIpv4(BigInt(words[at + from]! >>> 0));
    const wide = [0, 1, 2, 3].reduce(
      (sum, i) => (sum << 32n) | BigInt(words[at + from + i]! >>> 0),
      0n,
    );
    return formatIpv6(wide);
  };
  const [from, to] = [words[at + TUPLE.from]! >>> 0, words[at + TUPLE.to]! >>> 0];
  const isIcmp = protocol === 1 || protocol === 58;
  const ends = isIcmp
    ? `id=${from >>> 16},type=${(from >>> 8) & 0xff},code=${from & 0xff}`
    : `sport=${from >>> 16},dport=${to >>> 16}`;
  return `(src=${address(TUPLE.source)},dst=${address(TUPLE.destination)},${ends})`;
}

function line(words: Int32Array, at: number): string {
  const kind = words[at + CONN.original + TUPLE.kind]! >>> 0;
  const [zone, protocol] = [kind >>> 16, kind & 0xff];
  const isIpv6 = (kind & 0x100) !== 0;
  const label = [3, 2, 1, 0].map((i) => words[at + CONN.label + i]! >>> 0);
  const wide = label.reduceRight((sum, word) => (sum << 32n) | BigInt(word), 0n);
  const state = words[at + CONN.state]!;
  const tcpState = TCP_STATES[Math.max(state & 15, (state >>> 4) & 15)]!;
  const mark = words[at + CONN.mark]! >>> 0;
  const parts = [
    PROTOCOLS[protocol] ?? String(protocol),
    `orig=${tupleText(words, at + CONN.original, protocol, isIpv6)}`,
    `reply=${tupleText(words, at + CONN.reply, protocol, isIpv6)}`,
    zone === 0 ? "" : `zone=${zone}`,
    mark === 0 ? "" : `mark=${mark}`,
    wide === 0n ? "" : `labels=0x${wide.toString(16)}`,
    protocol === 6 ? `protoinfo=(state=${tcpState})` : "",
  ];
  return `${parts.filter((part) => part !== "").join(",")}\n`;
}

function alive(call: Call, table: ConnectionTable): number[] {
  const now = ticksOf(call.control.clock.nowMs());
  return table.all().filter((at) => table.words[at + CONN.expires]! >= now);
}

function dump(call: Call): void {
  const table = tableOf(call);
  const wanted = zoneOf(call);
  if (table === null) return;
  for (const at of alive(call, table)) {
    const zone = table.words[at + CONN.original + TUPLE.kind]! >>> 16;
    if (wanted === null || zone === wanted) call.out(line(table.words, at));
  }
}

/** Names by which the one datapath may be called in front of other arguments. */
const DATAPATH = /^([a-z]+@.*|ovs-[a-z]+)$/;

function flush(call: Call): void {
  const table = tableOf(call);
  const args = DATAPATH.test(call.args[0] ?? "") ? call.args.slice(1) : call.args;
  try {
    const match = parseCtMatch(args);
    if (table !== null) flushConnections(table, match);
  } catch (error) {
    if (!(error instanceof CtMatchError)) throw error;
    throw new Refusal(`ovs-vswitchd: ${error.message} (Invalid argument)`);
  }
}

function count(call: Call): void {
  const table = tableOf(call);
  call.out(`${table === null ? 0 : alive(call, table).length}\n`);
}

export const CONNTRACK_VERBS: readonly Verb[] = [
  {
    name: "dpctl/dump-conntrack",
    min: 0,
    max: 4,
    usage: "[-m] [-s] [dp] [zone=N]",
    run: dump,
  },
  {
    name: "dpctl/flush-conntrack",
    min: 0,
    max: 4,
    usage: "[dp] [zone=N] [ct-orig-tuple] [ct-reply-tuple]",
    run: flush,
  },
  { name: "dpctl/ct-get-nconns", min: 0, max: 1, usage: "[dp]", run: count },
];
