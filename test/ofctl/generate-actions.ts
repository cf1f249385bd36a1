// Random lists of all actions that flow text has, fit for what the flow matches. Written from
// ovs-actions(7), not from the parser, so that the two can be compared.
import type { Random } from "../../src/base/random.js";

type Make = (random: Random) => string;

/** What the flow matches, as far as actions care. */
export interface Matched {
  readonly ip: 0 | 4 | 6;
  readonly protocol: "tcp" | "udp" | "other";
  readonly hasTag: boolean;
}

const hex = (random: Random, bits: number): string =>
  `0x${Math.floor(random.fraction() * 2 ** Math.min(bits, 32)).toString(16)}`;

const byte = (random: Random): string => random.below(256).toString(16).padStart(2, "0");

const mac = (random: Random): string => Array.from({ length: 6 }, () => byte(random)).join(":");

const octets = (random: Random): string =>
  Array.from({ length: 4 }, () => 1 + random.below(255)).join(".");

const ipv6 = (random: Random): string =>
  `${random.pick(["2001:db8::", "fe80::1:", "::"])}${(1 + random.below(0xffff)).toString(16)}`;

const register = (random: Random): string => {
  const low = random.below(16);
  return `reg${random.below(16)}${random.pick(["", "[]", `[${low}]`, `[${low}..${low + 9}]`])}`;
};

const port: Make = (random) => random.pick(["1", "2", "9", "LOCAL", "IN_PORT"]);

const maybe = (random: Random, text: string): string => (random.below(2) === 0 ? text : "");

const joined = (...parts: readonly string[]): string =>
  parts.filter((part) => part !== "").join(",");

/** Several things of a list, at least one. */
function several(random: Random, makes: readonly Make[], most: number): string {
  const count = 1 + random.below(most);
  return Array.from({ length: count }, () => random.pick(makes)(random)).join(",");
}

const learnPart: Make = (random) =>
  random.pick([
    "eth_dst=eth_src",
    "NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[]",
    "NXM_OF_VLAN_TCI[0..11]",
    "in_port",
    `in_port=${1 + random.below(9)}`,
    `reg${random.below(16)}=${hex(random, 32)}`,
    `reg1[0..7]=${random.below(256)}`,
    "dl_type=0x0800,nw_proto=6,tcp_dst=80",
    `dl_type=0x800,nw_src=${octets(random)}`,
    `eth_dst=${mac(random)}`,
    `load:${random.below(99)}->reg3[0..15]`,
    "load:in_port->reg1[16..31]",
    "load:0x123456789abcdef0123->xxreg1",
    `load:${hex(random, 32)}->eth_src`,
    "output:in_port",
    `output:reg${random.below(16)}[0..15]`,
  ]);

const learn: Make = (random) => {
  const properties = joined(
    maybe(random, `table=${random.below(254)}`),
    maybe(random, `idle_timeout=${random.below(70000)}`),
    maybe(random, `hard_timeout=${random.below(99)}`),
    maybe(random, `priority=${random.pick([0, 32768, 65535])}`),
    maybe(random, `cookie=${random.pick(["0x1234", "7", "-1"])}`),
    maybe(random, `fin_idle_timeout=${random.below(9)}`),
    maybe(random, `fin_hard_timeout=${random.below(9)}`),
    maybe(random, "send_flow_rem"),
    maybe(random, "delete_learned"),
    maybe(random, `limit=${random.below(9)}`),
    maybe(random, `result_dst=reg0[${random.below(32)}]`),
    several(random, [learnPart], 4),
  );
  return `learn(${properties})`;
};

const natRange: Make = (random) => {
  const ports = random.pick(["", ":80", ":1024-2048", ":7-7"]);
  return random.pick([octets(random) + ports, `10.0.0.1-10.0.0.9${ports}`, "0.0.0.0"]);
};

const natRange6: Make = (random) =>
  random.pick([
    ipv6(random),
    `[${ipv6(random)}]`,
    `[${ipv6(random)}]:99`,
    "[fe80::1]-[fe80::9]:1-5",
    "fe80::1-fe80::9",
  ]);

const nat =
  (ip: 4 | 6): Make =>
  (random) => {
    const range = (ip === 4 ? natRange : natRange6)(random);
    const flags = joined(maybe(random, "persistent"), random.pick(["", "hash", "random"]));
    const inner = joined(random.pick([`src=${range}`, `dst=${range}`, "src", "dst"]), flags);
    return `nat(${inner})`;
  };

const exec: Make = (random) =>
  `exec(${several(
    random,
    [
      (r) => `set_field:${hex(r, 32)}->ct_mark`,
      (r) => `set_field:1/${hex(r, 28)}1->ct_mark`,
      (r) => `set_field:${hex(r, 32)}->ct_label`,
      (r) => `load:${r.below(9)}->ct_label[${60 + r.below(4)}..70]`,
      (r) => `move:reg${r.below(16)}->ct_mark`,
    ],
    3,
  )})`;

const conntrack =
  (ip: 4 | 6, protocol: Matched["protocol"]): Make =>
  (random) => {
    const zone = random.pick(["", "zone=0", `zone=${random.below(65536)}`, "zone=reg0[0..15]"]);
    const table = maybe(random, `table=${random.below(254)}`);
    const helper = { tcp: "alg=ftp", udp: "alg=tftp", other: "" }[protocol];
    if (random.below(3) === 0) return `ct(${joined(table, zone, maybe(random, "nat"))})`;
    const parts = joined(
      "commit",
      maybe(random, "force"),
      zone,
      table,
      maybe(random, nat(ip)(random)),
      maybe(random, exec(random)),
      maybe(random, helper),
    );
    return `ct(${parts})`;
  };

const controller: Make = (random) => {
  const keys = joined(
    maybe(random, `max_len=${random.below(65536)}`),
    maybe(random, `reason=${random.pick(["no_match", "action", "invalid_ttl", "group"])}`),
    maybe(random, `id=${random.below(65536)}`),
    maybe(random, `userdata=${byte(random)}.${byte(random)}${byte(random)}`),
    maybe(random, "pause"),
    maybe(random, `meter_id=${random.below(9)}`),
  );
  return `controller(${keys})`;
};

const ANYWHERE: readonly Make[] = [
  (r) => `output:${port(r)}`,
  port,
  (r) => r.pick(["NORMAL", "flood", "all", "CONTROLLER", "controller:99"]),
  (r) => `output:${register(r)}`,
  (r) => `output(port=${port(r)},max_len=${14 + r.below(99)})`,
  controller,
  (r) => `enqueue:${port(r)}:${r.below(9)}`,
  (r) => `set_queue:${r.pick(["0", "7", "0xffffffff"])}`,
  (r) => r.pick(["pop_queue", "exit", "ct_clear"]),
  (r) =>
    `resubmit${r.pick([`:${port(r)}`.replace("IN_PORT", "3"), "(,7)", "(4,9)", "(in_port,3)"])}`,
  (r) => `mod_vlan_vid:${r.below(4096)}`,
  (r) => `mod_vlan_pcp:${r.below(8)}`,
  (r) => `mod_dl_src:${mac(r)}`,
  (r) => `mod_dl_dst:${mac(r)}`,
  (r) => `set_field:${mac(r)}->eth_src`,
  // Bits outside of the mask make a set_field that only OpenFlow 1.5 refuses.
  (r) =>
    `set_field:${r.pick(["0x5/0x7", "0x80000001/0xf000000f", "6/0xff00ff"])}->reg${r.below(16)}`,
  (r) => `set_field:${hex(r, 32)}->${r.pick(["metadata", "xreg3", "xxreg2", "tun_id"])}`,
  (r) => `set_field:${1 + r.below(9)}->${r.pick(["in_port", "pkt_mark"])}`,
  (r) => `set_field:${r.pick(["0x1005", "0", "0xf005"])}->vlan_tci`,
  (r) => `load:${r.below(2)}->${r.pick(["reg3[7]", "in_port[3]", "eth_dst[40]", "metadata[63]"])}`,
  (r) => `load:${hex(r, 32)}->${r.pick(["reg4", "xxreg1[64..127]", "eth_src", "metadata"])}`,
  (r) => `move:reg${r.below(16)}[0..15]->${r.pick(["reg3[16..31]", "in_port", "vlan_tci"])}`,
  (r) => `push:${register(r)}`,
  (r) => `pop:${register(r)}`,
  (r) => `group:${r.pick(["1", "0xffffff00"])}`,
  (r) => `set_tunnel:${hex(r, 32)}`,
  (r) => `set_tunnel64:${hex(r, 32)}`,
  learn,
  learn,
  (r) => `note:${Array.from({ length: r.below(12) }, () => byte(r)).join(".")}`,
  (r) => `check_pkt_larger(${r.below(65536)})->reg${r.below(16)}[${r.below(32)}]`,
];

const IP: readonly Make[] = [
  (r) => r.pick(["dec_ttl", "dec_ttl(0)", "dec_ttl(1,2)"]),
  (r) => `mod_nw_tos:${4 * r.below(64)}`,
  (r) => `mod_nw_ecn:${r.below(4)}`,
  (r) => `mod_nw_ttl:${r.below(256)}`,
  (r) => `set_field:${r.below(64)}->ip_dscp`,
  (r) => `set_field:${4 * r.below(64)}->nw_tos`,
  (r) => `load:${r.below(4)}->nw_ecn`,
  (r) => `set_field:${r.below(4)}->nw_ecn`,
];

const PORTS: readonly Make[] = [
  (r) => `mod_tp_src:${r.below(65536)}`,
  (r) => `mod_tp_dst:${r.below(65536)}`,
];

/** What may stand in a flow's list beside the always possible. */
function fitting(matched: Matched): Make[] {
  const makes = [...ANYWHERE];
  if (matched.ip !== 0) makes.push(...IP, conntrack(matched.ip, matched.protocol));
  if (matched.ip === 4) {
    makes.push(
      (r) => `mod_nw_src:${octets(r)}`,
      (r) => `set_field:${octets(r)}->ip_dst`,
    );
    makes.push((r) => `set_field:${r.pick(["10.1.2.0/24", "10.0.9.0/255.0.255.0"])}->nw_src`);
  }
  if (matched.ip === 6) {
    makes.push(
      (r) => `set_field:${ipv6(r)}->ipv6_dst`,
      (r) => `load:${hex(r, 20)}->ipv6_label`,
    );
  }
  if (matched.protocol !== "other") makes.push(...PORTS);
  if (matched.protocol === "tcp") {
    makes.push((r) => `fin_timeout(idle_timeout=${r.below(9)},hard_timeout=${1 + r.below(9)})`);
    makes.push((r) => `set_field:${r.below(65536)}->tcp_dst`);
  }
  if (matched.protocol === "udp") makes.push((r) => `set_field:${r.below(65536)}->udp_src`);
  if (matched.hasTag) {
    makes.push(
      (r) => `set_vlan_vid:${r.below(4096)}`,
      (r) => `set_vlan_pcp:${r.below(8)}`,
    );
    makes.push((r) => `set_field:${4096 + r.below(4096)}->vlan_vid`);
    makes.push((r) => `set_field:${r.below(8)}->vlan_pcp`);
  }
  const flat = [...makes];
  makes.push((r) => `clone(${several(r, flat, 3)})`);
  return makes;
}

/** What an action set holds. */
const WRITTEN: readonly Make[] = [
  (r) => `output:${port(r)}`,
  (r) => `group:${r.below(9)}`,
  (r) => `set_field:${mac(r)}->eth_dst`,
  (r) => `set_queue:${r.below(9)}`,
  (r) => `mod_dl_src:${mac(r)}`,
  (r) => `load:${hex(r, 32)}->reg0`,
  (r) => `resubmit(,${r.below(254)})`,
  (r) => `mod_vlan_vid:${r.below(4096)}`,
];

/** The part after `actions=`. */
export function randomActionList(random: Random, matched: Matched): string {
  if (random.below(20) === 0) {
    const clauses = 2 + random.below(63);
    const clause = 1 + random.below(clauses);
    return joined(`conjunction(${random.below(9)},${clause}/${clauses})`, maybe(random, "note:01"));
  }
  const few = random.below(4) === 0;
  return joined(
    random.below(12) === 0 ? `meter:${1 + random.below(9)}` : "",
    random.below(8) === 0 ? "" : several(random, fitting(matched), 4),
    few ? maybe(random, "clear_actions") : "",
    few ? maybe(random, `write_actions(${several(random, WRITTEN, 3)})`) : "",
    few ? maybe(random, `write_metadata:${hex(random, 32)}${maybe(random, "/0xff")}`) : "",
    few ? maybe(random, `goto_table:${100 + random.below(154)}`) : "",
  );
}
