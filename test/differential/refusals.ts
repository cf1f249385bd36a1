// Flow texts with mistakes: what ovs-ofctl says of them, and what we say.
import { spawnSync } from "node:child_process";
import { Random } from "../../src/base/random.js";
import { parseFlow } from "../../src/ofctl/parse.js";
import { randomFlowSet } from "./flows.js";

/** Words that stand in the wrong place as well as in the right one. */
const WORDS = [
  ...["outptu:1", "output:asdf", "foo", "foo=1", "tp_dst", "in_port=99999", "in_port=xyz"],
  ...["mod_vlan_vid:6000", "mod_vlan_pcp:8", "set_field:1->eth_type", "set_field:1", "load:1"],
  ...["load:5->reg0[0..1]", "move:reg0[]->xreg1[]", "resubmit(,300)", "resubmit:asdf"],
  ...["priority=70000", "table=300", "idle_timeout=x", "cookie=1/1", "nw_src=1.2.3.4/33"],
  ...["dl_src=xx", "dl_src=1:2:3:4:5", "ipv6_src=::1/129", "ipv6_src=g::", "nw_ttl=5/1"],
  ...["set_field:1->nosuch", "set_field:1->reg0[0..3]", "push_vlan:0x1234", "drop", "conj_id=1"],
  ...["conjunction(1,1/1)", "conjunction(1,3/2)", "conjunction(1,1/65)", "conjunction(1,2)"],
  ...[
    "move:reg0[0..3]->reg1[0..4]",
    "load:1->reg0[5..2]",
    "load:1->reg0[33]",
    "output:reg0[0..40]",
  ],
  ...["note:xyz", "controller(foo=1)", "controller(reason=none)", "dec_ttl(x)", "group:x"],
  ...["goto_table:1", "write_metadata:1", "meter:0", "clear_actions", "exit", "exit,exit"],
  ...["learn(table=300)", "learn(foo)", "ct(force)", "ct(zone=70000)", "ct(table=255)", "nat"],
  ...["tcp_flags=+foo", "tcp_flags=syn", "ct_state=+foo", "ct_state=trk", "ip_frag=maybe"],
  ...["arp_op=70000", "vlan_tci=0x12345", "dl_vlan=5000", "dl_vlan_pcp=9", "reg0=0x1ffffffff"],
  ...["enqueue:1", "enqueue:1:x", "set_queue:x", "output(port=1,max_len=1)", "output(max_len=20)"],
  ...["mod_nw_tos:3", "mod_nw_tos:300", "mod_nw_ecn:4", "mod_nw_ttl:256", "mod_tp_dst:70000"],
];

const CHARACTERS = "()[]:=,/->.0x1a \t";

/** A text with one mistake, or none. */
export function mutated(random: Random, text: string): string {
  const at = random.below(text.length);
  const parts = text.split(",");
  const part = random.below(parts.length);
  switch (random.below(6)) {
    case 0:
      return text.slice(0, at) + text.slice(at + 1);
    case 1:
      return text.slice(0, at) + random.pick([...CHARACTERS]) + text.slice(at + 1);
    case 2:
      return [...parts.slice(0, part), random.pick(WORDS), ...parts.slice(part)].join(",");
    case 3:
      return [...parts.slice(0, part), random.pick(WORDS), ...parts.slice(part + 1)].join(",");
    case 4:
      return parts.filter((_, i) => i !== part).join(",");
    default:
      return `${text},${random.pick(WORDS)}`;
  }
}

/** Texts of one seed. */
export function mutatedTexts(seed: number, count: number): string[] {
  const random = new Random(seed);
  const texts: string[] = [];
  while (texts.length < count) {
    const { flows } = randomFlowSet(random, 0);
    texts.push(
      ...flows.map((flow) => mutated(random, flow)).filter((text) => !text.includes("\n")),
    );
  }
  return texts.slice(0, count);
}

/** "" if the text is accepted. */
export function theirSentence(text: string): string {
  const run = spawnSync("ovs-ofctl", ["-vconsole:off", "parse-flow", text], { encoding: "utf8" });
  return run.stderr.replace(/^ovs-ofctl: /, "").trimEnd();
}

export function ourSentence(text: string): string {
  try {
    parseFlow(text);
    return "";
  } catch (error) {
    return (error as Error).message;
  }
}
