// Flow texts are printed, or refused, in the words of ovs-ofctl 3.1. More of them:
// node scripts/fuzz-ovs.mjs --texts 1000 --seed 1
import { spawnSync } from "node:child_process";
import { expect, it } from "vitest";
import { mutatedTexts, ourReading, theirReading } from "./refusals.js";

/** Texts that were once read otherwise. */
const KEPT = [
  ...["in_port", "eth_src=", "ip_src", "ipv6_src", "ip_frag", "actset_output", "packet_type"].map(
    (field) => `${field} actions=drop`,
  ),
  ...["(0,0)", "(0,0)x", "0", "(0", "(0,0", "(70000,0)", "(0,y)", "(x,0)", "*"].map(
    (type) => `packet_type=${type} actions=drop`,
  ),
  ...["5", "5/1", "x", "*", "0/0"].map((value) => `skb_priority=${value} actions=drop`),
  ...["80/43004", "80/255", "80/0"].map((port) => `icmp,tcp_dst=${port} actions=drop`),
  "icmp6,tcp_src=8000/0xff00 actions=drop",
  ...["mod_nw_ecn:0", "mod_nw_ttl:3", "mod_nw_tos:0", "clone(mod_nw_ecn:0)", "set_nw_ttl:1"].map(
    (action) => `eth_type=0x80 actions=${action}`,
  ),
  ...["nat(src=1.2.3.4)", "exec(set_field:1->ct_mark)", "nat,exec(load:1->ct_mark[])", "nat"].map(
    (inside) => `ip,reg0=1 actions=clone(ct(${inside})),1`,
  ),
  ...["0x100000", "0x1fffff/0x100001", "0/0xffffffff"].map(
    (label) => `ipv6,ipv6_label=${label} actions=drop`,
  ),
  "ipv6_label=0x100000 actions=drop",
  "ipv6 actions=set_field:0x100001/0x1->ipv6_label",
  "vlan_vid=0xffff/0xffff actions=drop",
  "ip actions=set_field:10.0.0.5/8->ip_dst",
  "actions=set_field:01:00:00:00:00:01/00:00:00:00:ff:ff->eth_src",
  "actions=set_field:0x1fff/0xfff->vlan_tci",
  "tcp actions=set_field:80/0x0f->tcp_src",
  ...["300->NXM_OF_ARP_OP[]", "1->NXM_OF_ARP_OP[8]", "1->NXM_OF_ARP_OP[4..11]"].map(
    (load) => `arp actions=load:${load}`,
  ),
  ...["-1", "fff", "ffff::/3", "12ff::", "x", "129x", "+64"].map(
    (mask) => `ipv6,ipv6_dst=::1/${mask} actions=drop`,
  ),
  "ip,ip_dst=-1.2.3.4 actions=mod_nw_dst:1.2.3.4",
  ...["-1.2.3.4", "1.2.3.256", "1.2.3.01"].map((address) => `ip actions=mod_nw_dst:${address}`),
  ...["-1.2.3.4", "1.2.3.4--1.2.3.9"].map((range) => `ip actions=ct(commit,nat(src=${range}))`),
  ...["0/0->reg0", "*->reg0", "0/0->vlan_tci"].map((set) => `actions=set_field:${set},output:1`),
  "ip actions=ct(commit,exec(set_field:1/0->ct_mark)),clone(set_field:0/0->reg0)",
  "actions=mod_dl_dst:02:00:00:00:00:02resubmit(,4)",
  ...["eth_type(0x800", "reg0(0x5 /3 )", "in_port( 5)", "table( 5)", "ct_state=0x0/0x.1"].map(
    (match) => `${match} actions=drop`,
  ),
  ...["resubmit( 4, 5)", "output( 4)", "enqueue( 4,5)"].map((action) => `actions=${action}`),
  "nw_proto=6,nw_ttl=255 actions=fin_timeout(idle_timeout=7),output:4",
  ...["ct_nw_proto=0,ct_tp_src=80", "ct_tp_dst=1", "ct_ipv6_src=::1", "ct_nw_src=1.2.3.4"].flatMap(
    (match) => [`ct_state=+trk+est,ip,${match} actions=1`, `ct_state=+trk,ip,${match} actions=1`],
  ),
];

const version = spawnSync("ovs-ofctl", ["--version"], { encoding: "utf8" }).stdout ?? "";
const missing = /\) 3\.1\./.test(version) ? "" : " (needs ovs-ofctl 3.1)";

it.skipIf(missing !== "").each([2, 3])(
  `80 random texts are printed or refused as by ovs-ofctl, seed %i${missing}`,
  async (seed) => {
    const texts = mutatedTexts(seed, 80);
    const theirs = texts.map((text) => ({ text, ...theirReading(text) }));
    const ours = await Promise.all(
      texts.map(async (text) => ({ text, ...(await ourReading(text)) })),
    );
    expect(ours).toEqual(theirs);
    expect(theirs.filter(({ exitCode }) => exitCode !== 0).length).toBeGreaterThan(40);
  },
);

it.skipIf(missing !== "")(
  `texts that were once read otherwise are read as there${missing}`,
  async () => {
    const ours = await Promise.all(
      KEPT.map(async (text) => ({ text, ...(await ourReading(text)) })),
    );
    expect(ours).toEqual(KEPT.map((text) => ({ text, ...theirReading(text) })));
  },
);
