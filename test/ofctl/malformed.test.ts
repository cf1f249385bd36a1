// What Open vSwitch 3.1 refuses, with its own sentence, and where in the text the mistake lies.
// Columns count from 1.
import { describe, expect, it } from "vitest";
import { PacketpathError } from "../../src/base/errors.js";
import { parseFlow } from "../../src/ofctl/parse.js";
import { ACTION_SENTENCES } from "./malformed-actions.js";
import { missing, realFlow } from "./real.js";

const fragments = '"no", "yes", "first", "later", "not_later"';
const INCONSISTENT = "actions are invalid with specified match (OFPBAC_MATCH_INCONSISTENT)";
const RESUBMIT = 'at least one "in_port" or "table" must be specified on resubmit';
const DROP = '"drop" must not be accompanied by any other action or instruction';
const ORDER =
  "invalid instruction ordering: apply_actions must appear before goto_table, " +
  "for OpenFlow 1.1+ compatibility";
const BRACKETS = "syntax error expecting [] or [<bit>] or [<start>..<end>]";

/** Text, sentence, column of the mistake. */
const SENTENCES: readonly (readonly [string, string, number])[] = [
  ["tcp", "must specify an action", 4],
  ["actions", "must specify an action", 8],
  ["foo=1 actions=1", "unknown keyword foo", 1],
  ["foo actions=1", "field foo missing value", 1],
  ["tcp,reg16=1 actions=1", "unknown keyword reg16", 5],
  ["in_port=foo actions=1", "foo: invalid or unknown port for in_port", 9],
  ["in_port=70000 actions=1", "70000: invalid or unknown port for in_port", 9],
  ["in_port=1/1 actions=1", "1/1: invalid or unknown port for in_port", 9],
  ["dl_src=1:2:3:4:5 actions=1", "1:2:3:4:5: invalid Ethernet address", 8],
  ["dl_src=xx actions=1", "xx: invalid Ethernet address", 8],
  ["ip,nw_src=1.2.3 actions=1", "1.2.3: invalid IP address", 11],
  [
    "ip,nw_src=1.2.3.4/33 actions=1",
    "1.2.3.4/33: IPv4 network prefix bits not between 0 and 32, inclusive",
    11,
  ],
  ["ipv6,ipv6_src=xyz actions=1", "xyz: invalid IPv6 address", 15],
  ["ipv6,ipv6_src=1::2::3 actions=1", "1::2::3: invalid IPv6 address", 15],
  ["ip,nw_ttl=256 actions=1", "256: value too large for 1-byte field nw_ttl", 11],
  ["ip,nw_ttl=5/1 actions=1", "5/1: invalid mask for field nw_ttl", 11],
  ["dl_vlan=5/7 actions=1", "5/7: invalid mask for field dl_vlan", 9],
  ["tcp,tp_src=65536 actions=1", "65536: value too large for 2-byte field tcp_src", 12],
  ["tcp,tp_src=x actions=1", "x: bad syntax for tcp_src value", 12],
  ["reg0=0x100000000 actions=1", "0x100000000: value too large for 4-byte field reg0", 6],
  ["reg0=-1 actions=1", "-1: value too large for 4-byte field reg0", 6],
  ["ip,nw_frag=foo actions=1", `foo: unknown fragment type (valid types are ${fragments}`, 12],
  ["tcp,tcp_flags=+foo actions=1", "foo: unknown TCP flag(s)", 16],
  ["tcp,tcp_flags=0x1000 actions=1", "0x1000: unknown TCP flag(s)", 15],
  ["tcp,tcp_flags=syn|foo actions=1", "syn|foo: unknown TCP flag(s)", 19],
  ["ct_state=new|foo actions=1", "new|foo: unknown ct_state flag(s)", 14],
  ["actset_output=x actions=1", "x: port value out of range for actset_output", 15],
  ["ct_state=+foo actions=1", "foo: unknown ct_state flag(s)", 11],
  ["ct_state=+trk+trk actions=1", "trk: Each ct_state flag can be specified only once", 10],
  ["reg0[0..15]=0x10000 actions=1", "reg0[0..15]: value 0x10000 does not fit into 16 bits", 13],
  ["reg0[16..8]=1 actions=1", "reg0[16..8]: starting bit 16 is after ending bit 8", 5],
  [
    "reg0[5..40]=1 actions=1",
    "reg0[5..40]: ending bit 40 is not valid because field is only 32 bits wide",
    5,
  ],
  ["priority=70000 actions=1", 'invalid priority "70000"', 10],
  ["priority=x actions=1", 'invalid priority "x"', 10],
  ["table=256 actions=1", 'unknown table "256"', 7],
  ["table=x actions=1", 'unknown table "x"', 7],
  ["idle_timeout=70000 actions=1", 'invalid idle_timeout "70000"', 14],
  ["hard_timeout=x actions=1", 'invalid hard_timeout "x"', 14],
  ["cookie=x actions=1", "invalid numeric format x", 8],
  ["cookie=5/1 actions=1", "flow additions cannot use a cookie mask", 9],
  ["out_port=3 actions=1", "unknown keyword out_port", 1],
  ["actions=foo", "unknown action foo", 9],
  ["actions=1,outptu:2", "unknown action outptu", 11],
  ["actions=output:foo", "foo: output to unknown port", 16],
  ["actions=output", ": output to unknown port", 15],
  ["actions=output:reg0[40]", "reg0[40]: output to unknown port", 16],
  ["actions=output(port=3,max_len=5)", "max_len 5 is less than the minimum value 14", 31],
  ["actions=output(port=foo,max_len=50)", "output to unknown truncate port: foo", 21],
  ["actions=controller:70000", 'invalid max_len "70000"', 20],
  ["actions=controller(foo=3)", 'unknown key "foo" parsing controller action', 20],
  ["actions=controller(reason=foo)", 'unknown reason "foo"', 27],
  ["actions=resubmit:foo", "foo: resubmit to unknown port", 18],
  ["actions=resubmit:asdf", "asdf: resubmit to unknown port", 18],
  ["actions=resubmit(,asdf)", "asdf: resubmit to unknown table", 19],
  ["actions=resubmit(,300)", "300: resubmit to unknown table", 19],
  ["actions=resubmit()", RESUBMIT, 9],
  ["actions=resubmit", RESUBMIT, 9],
  ["actions=resubmit(3,4,5)", "5: unknown parameter", 22],
  ["actions=goto_table:300", 'unknown table "300"', 20],
  [
    "table=5 actions=goto_table:5",
    "actions are invalid with specified match (OFPBIC_BAD_TABLE_ID)",
    17,
  ],
  ["actions=drop,1", DROP, 9],
  ["actions=1,drop", DROP, 11],
  ["actions=1,goto_table:3,2", ORDER, 24],
  ["actions=mod_vlan_vid:6000", "6000: not a valid VLAN VID", 22],
  ["actions=mod_vlan_vid:x", 'invalid VLAN VID "x"', 22],
  ["actions=mod_vlan_pcp:8", "8: not a valid VLAN PCP", 22],
  ["actions=mod_dl_src:xx", "invalid mac address xx", 20],
  ["actions=mod_nw_src:xx", "xx: could not convert to IP address", 20],
  ["actions=mod_nw_tos:17", "17: not a valid TOS", 20],
  ["actions=mod_nw_ecn:4", "4: not a valid ECN", 20],
  ["actions=mod_nw_ttl:256", 'invalid TTL "256"', 20],
  ["actions=mod_tp_src:65536", 'invalid source port "65536"', 20],
  ["actions=push_vlan:0x1234", "0x1234: not a valid VLAN ethertype", 19],
  ["actions=push_vlan", 'invalid ethertype ""', 18],
  ["actions=note:xyz", "bad hex digit in `note' argument", 14],
  ["actions=set_field:1", "1: missing `->'", 19],
  ["actions=set_field:5->", "5->: missing field name following `->'", 22],
  ["actions=set_field:1->x", "x is not a valid OXM field name", 22],
  ["actions=set_field:1->eth_type", "eth_type is read-only", 22],
  ["actions=set_field:x->reg0", "x: bad syntax for reg0 value", 19],
  ["actions=set_field:1.2.3.4->ip_src", INCONSISTENT, 9],
  ["actions=1,set_field:4101->vlan_vid", INCONSISTENT, 11],
  ["actions=set_field:6->ct_mark", "cannot set CT fields outside of ct action", 9],
  ["ip actions=set_field:5->nw_ecn", "5 is not a valid value for field nw_ecn", 22],
  ["actions=load:5", "5: missing `->'", 14],
  ["actions=load:x->reg0", "x->reg0: cannot parse integer value", 14],
  ["actions=load:16->reg0[0..3]", "16->reg0[0..3]: value 0x10 does not fit into 4 bits", 14],
  ["actions=load:5->foo", "foo: unknown field `foo'", 17],
  ["actions=load:5->reg0[", `reg0[: ${BRACKETS}`, 21],
  ["actions=load:5->reg0[3..]", `reg0[3..]: ${BRACKETS}`, 21],
  ["actions=load:5->reg0[5..3]", "reg0[5..3]: starting bit 5 is after ending bit 3", 21],
  ["actions=move:reg0", "reg0: missing `->' following source", 14],
  ["actions=move:foo->reg0", "foo->reg0: unknown field `foo'", 14],
  [
    "actions=move:reg0[1..5]->reg2[2..7]",
    "reg0[1..5]->reg2[2..7]: source field is 5 bits wide but destination is 6 bits wide",
    14,
  ],
  ["actions=move:nw_src->nw_dst", INCONSISTENT, 9],
  ["actions=apply_actions(1)", "apply_actions is the default instruction", 9],
  ["actions=none", "actions are invalid with specified match (OFPBAC_BAD_OUT_PORT)", 9],
];

/** Sentences of our own, for what this switch does not do (yet) and for traps of Open vSwitch. */
const OWN: readonly (readonly [string, string, number])[] = [
  ["actions=1,push_mpls:0x8847", "push_mpls: this action is not supported here", 11],
  [
    "actions=multipath(eth_src,50,hrw,12,0,reg0)",
    "multipath: this action is not supported here",
    9,
  ],
  ["actions=sample(probability=1)", "sample: this action is not supported here", 9],
  ["mpls,mpls_label=3 actions=1", "mpls_label: this field is not supported here", 6],
  ["tun_src=1.2.3.4 actions=1", "tun_src: this field is not supported here", 1],
  ["delete table=1", 'delete: only "add" can stand before a flow here', 1],
  [
    "ipv6,ipv6_label=0x123456 actions=1",
    "0x123456: value too large for 20-bit field ipv6_label",
    17,
  ],
  ["actions=set_field:5->dl_vlan", "dl_vlan cannot be set with set_field: use mod_vlan_vid", 22],
];

function refusal(text: string): { message: string; column: number | undefined } {
  try {
    parseFlow(text, { file: "f" });
  } catch (error) {
    if (!(error instanceof PacketpathError)) throw error;
    expect(error.code).toBe("FLOW_INVALID");
    expect(error.exitCode).toBe(2);
    return { message: error.message, column: error.place?.column };
  }
  return { message: "accepted", column: undefined };
}

describe("malformed flow text is refused with Open vSwitch's sentence at its place", () => {
  it.each([...SENTENCES, ...ACTION_SENTENCES])("%s", (text, message, column) => {
    expect(refusal(text)).toEqual({ message, column });
  });
  it.each(OWN)("in words of our own: %s", (text, message, column) => {
    expect(refusal(text)).toEqual({ message, column });
  });
});

it.skipIf(missing !== "")(`the sentences are those of the real ovs-ofctl${missing}`, () => {
  const wrong = [...SENTENCES, ...ACTION_SENTENCES]
    .map(([text, message]) => ({ text, message, real: realFlow(text) }))
    .filter(({ message, real }) => message !== real);
  expect(wrong).toEqual([]);
});
