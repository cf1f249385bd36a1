// What a switch says its tables can do, as ovs-ofctl dump-tables and dump-table-features print it
// (lib/ofp-table.c ofputil_table_features_format of Open vSwitch 3.1). The lists of fields and
// actions are Open vSwitch's own: an answer of another length would not be its answer. Pure
// functions; any thread.
import type { OpenFlowVersion } from "../protocols.js";

/** A table, as a dump shows it. */
export interface TableView {
  readonly table: number;
  readonly active: number;
  readonly lookups: number;
  readonly matches: number;
  /** What happens to packets that meet no flow. */
  readonly miss: "default" | "controller" | "continue" | "drop";
  /** "" : none. */
  readonly name: string;
  /** The most flows that it holds; Infinity: nobody has said so. */
  readonly flowLimit: number;
}

const LAST_TABLE = 253;
const FLOWS_MAX = 1_000_000;

const ACTIONS_11 =
  "output group set_vlan_vid set_vlan_pcp strip_vlan push_vlan mod_dl_src mod_dl_dst mod_nw_src " +
  "mod_nw_dst mod_nw_tos mod_nw_ecn mod_nw_ttl mod_tp_src mod_tp_dst dec_ttl set_mpls_label " +
  "set_mpls_tc set_mpls_ttl dec_mpls_ttl push_mpls pop_mpls set_queue";
export const ACTIONS_12 =
  "output group set_field strip_vlan push_vlan mod_nw_ttl dec_ttl set_mpls_ttl dec_mpls_ttl " +
  "push_mpls pop_mpls set_queue";
const SET_FIELDS_12 =
  "metadata in_port_oxm eth_{src,dst} vlan_{vid,pcp} mpls_{label,tc} ip_{src,dst} " +
  "ipv6_{src,dst,label} ip_dscp nw_ecn arp_{op,spa,tpa,sha,tha} tcp_{src,dst} udp_{src,dst} " +
  "sctp_{src,dst} icmp_{type,code} icmpv6_{type,code} nd_{target,sll,tll}";
const SET_FIELDS_13 =
  "tun_{id,src,dst,ipv6_{src,dst},flags,gbp_{id,flags},erspan_{idx,ver,dir,hwid}," +
  "metadata0...metadata63} metadata in_{port,port_oxm} pkt_mark ct_{mark,label} reg0...reg15 " +
  "xreg0...xreg7 xxreg0...xxreg3 eth_{src,dst} vlan_{tci,vid,pcp} mpls_{label,tc,ttl} " +
  "ip_{src,dst} ipv6_{src,dst,label} nw_tos ip_dscp nw_{ecn,ttl} arp_{op,spa,tpa,sha,tha} " +
  "tcp_{src,dst} udp_{src,dst} sctp_{src,dst} icmp_{type,code} icmpv6_{type,code} " +
  "nd_{target,sll,tll,reserved,options_type} nsh_{flags,spi,si,c1...c4,ttl}";

const MATCHING_10 =
  "in_port eth_{src,dst,type} vlan_{vid,pcp} ip_{src,dst} nw_{proto,tos} tcp_{src,dst}";
const MATCHING_11 =
  "metadata in_port eth_{src,dst,type} vlan_{vid,pcp} mpls_{label,tc} ip_{src,dst} " +
  "nw_{proto,tos} tcp_{src,dst}";
const MATCHING_12 =
  "metadata in_port_oxm eth_{src,dst,type} vlan_{vid,pcp} mpls_{label,tc} ip_{src,dst} " +
  "ipv6_{src,dst,label} nw_proto ip_dscp nw_ecn arp_{op,spa,tpa,sha,tha} tcp_{src,dst} " +
  "udp_{src,dst} sctp_{src,dst} icmp_{type,code} icmpv6_{type,code} nd_{target,sll,tll}";
const MASKED_13 =
  "dp_hash tun_{id,src,dst,ipv6_{src,dst},flags,gbp_{id,flags},erspan_{idx,ver,dir,hwid}," +
  "gtpu_{flags,msgtype},metadata0...metadata63} metadata pkt_mark ct_{state,mark,label," +
  "nw_{src,dst},ipv6_{src,dst},tp_{src,dst}} reg0...reg15 xreg0...xreg7 xxreg0...xxreg3 " +
  "eth_{src,dst} vlan_{tci,vid} ip_{src,dst} ipv6_{src,dst,label} ip_frag arp_{spa,tpa,sha,tha} " +
  "tcp_{src,dst,flags} udp_{src,dst} sctp_{src,dst} nd_{target,sll,tll} nsh_{flags,c1...c4}";
const EXACT_13 =
  "recirc_id packet_type conj_id in_{port,port_oxm} actset_output ct_{zone,nw_proto} eth_type " +
  "vlan_pcp mpls_{label,tc,bos,ttl} nw_{proto,tos} ip_dscp nw_{ecn,ttl} arp_op " +
  "icmp_{type,code} icmpv6_{type,code} nd_{reserved,options_type} nsh_{mdtype,np,spi,si,ttl}";

const METADATA = "    metadata: match=0xffffffffffffffff write=0xffffffffffffffff\n";

/** Features in the parts that are compared with those of the table before. */
interface Features {
  readonly head: string;
  readonly instructions: string;
  readonly actions: string;
  /** "(same actions)" may stand for the actions. */
  readonly namesActions: boolean;
  readonly matching: string;
}

/** What dump-tables says of a table's features; nothing since OpenFlow 1.3, which asks apart. */
function statsFeatures(view: TableView, version: OpenFlowVersion): Features | null {
  if (version >= 13) return null;
  const { table, miss } = view;
  const config = version === 10 ? "" : `    config=${miss === "default" ? "controller" : miss}\n`;
  const matching = [MATCHING_10, MATCHING_11, MATCHING_12][version - 10]!;
  const words = "apply_actions clear_actions write_actions write_metadata";
  const more = table < LAST_TABLE ? `${words} goto_table` : words;
  const actions = version === 11 ? ACTIONS_11 : ACTIONS_12;
  const sets = `        supported on Set-Field: ${SET_FIELDS_12}\n`;
  return {
    head: `${version === 12 ? METADATA : ""}${config}${entries(view)}`,
    instructions: version === 10 ? "" : `      instructions: ${more}\n`,
    actions: version === 10 ? "" : actionLines(actions, version === 12 ? sets : ""),
    namesActions: version === 12,
    matching: `      exact match or wildcard: ${matching}\n`,
  };
}

function entries({ flowLimit }: TableView): string {
  return flowLimit === 0 ? "" : `    max_entries=${Math.min(flowLimit, FLOWS_MAX)}\n`;
}

function actionLines(actions: string, sets: string): string {
  return `      Write-Actions and Apply-Actions features:\n        actions: ${actions}\n${sets}`;
}

/** What dump-table-features says of a table. */
function allFeatures(view: TableView, version: OpenFlowVersion): Features {
  const { table } = view;
  const meter = version === 15 ? "" : "meter ";
  const words = `${meter}apply_actions clear_actions write_actions write_metadata`;
  const next = table < LAST_TABLE ? `      next tables: ${nextTables(table)}\n` : "";
  const more = table < LAST_TABLE ? `${words} goto_table` : words;
  const events = "    eviction: not supported\n    vacancy events: not supported\n";
  return {
    head: `${METADATA}${version >= 14 ? events : ""}${entries(view)}`,
    instructions: `${next}      instructions: ${more}\n`,
    actions: actionLines(ACTIONS_12, `        supported on Set-Field: ${SET_FIELDS_13}\n`),
    namesActions: true,
    matching:
      `      arbitrary mask: ${MASKED_13}\n` + `      exact match or wildcard: ${EXACT_13}\n`,
  };
}

function nextTables(table: number): string {
  return table + 1 === LAST_TABLE ? String(LAST_TABLE) : `${table + 1}-${LAST_TABLE}`;
}

function featureLines(features: Features, before: Features | null): string {
  const { instructions, actions, matching } = features;
  const sameActions = features.namesActions && before?.actions === actions;
  const whole = instructions + actions;
  const own = instructions + (sameActions ? "      (same actions)\n" : actions);
  const sameInstructions =
    before !== null && anyNext(before.instructions + before.actions) === anyNext(whole);
  const instructionLines =
    whole === ""
      ? ""
      : sameInstructions
        ? "    (same instructions)\n"
        : `    instructions (table miss and others):\n${own}`;
  const same = before?.matching === matching;
  const matchLines = same ? "    (same matching)\n" : `    matching:\n${matching}`;
  return features.head + instructionLines + matchLines;
}

/** Equal features but for the tables that one can go on to. */
function sameFeatures(a: Features | null, b: Features | null): boolean {
  if (a === null || b === null) return a === b;
  const text = (each: Features): string =>
    anyNext([each.head, each.instructions, each.actions, each.matching].join(""));
  return text(a) === text(b);
}

/** The same for all tables that one can go on to. */
function anyNext(text: string): string {
  return text.replace(/next tables: .*\n/, "next tables\n");
}

interface Shown {
  readonly table: number;
  readonly name: string;
  readonly stats: string;
  readonly features: Features | null;
}

/** Tables one after the other; those that are like the one before are only counted. */
function formatTables(tables: readonly Shown[]): string {
  let text = "";
  let dittos: number[] = [];
  const flush = (): void => {
    if (dittos.length === 0) return;
    const [first, last] = [dittos[0]!, dittos.at(-1)!];
    text +=
      first === last ? `\n  table ${first}: ditto\n` : `\n  tables ${first}...${last}: ditto\n`;
    dittos = [];
  };
  let before: Shown | null = null;
  for (const each of tables) {
    const same = before !== null && sameFeatures(each.features, before.features);
    const ditto = same && each.stats === before!.stats;
    if (ditto && each.name === "") dittos.push(each.table);
    else {
      flush();
      text += `\n  table ${each.table}${each.name === "" ? "" : ` ("${each.name}")`}:`;
      text += ditto ? " ditto" : `\n${each.stats}`;
    }
    if (!ditto) {
      const { features } = each;
      if (features !== null) {
        text += same ? "    (same features)\n" : featureLines(features, before?.features ?? null);
      }
    }
    before = each;
  }
  flush();
  return text.slice(1);
}

/** The tables of `dump-tables`, without its first line. */
export function formatTableStats(views: readonly TableView[], version: OpenFlowVersion): string {
  const shown = views.map((view) => ({
    table: view.table,
    name: version < 13 ? view.name : "",
    stats: `    active=${view.active}, lookup=${view.lookups}, matched=${view.matches}\n`,
    features: statsFeatures(view, version),
  }));
  return formatTables(shown);
}

/** All of `dump-table-features`. */
export function formatTableFeatures(views: readonly TableView[], version: OpenFlowVersion): string {
  const tables = views.map((view) => {
    const { table, name } = view;
    return { table, name, stats: "", features: allFeatures(view, version) };
  });
  return `${formatTables(tables)}\n`;
}
