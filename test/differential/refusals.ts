// Flow texts, most of them with mistakes: how ovs-ofctl prints them or what it says of them, what a
// switch says that they are sent to, and what we print and say.
import { spawnSync } from "node:child_process";
import { Random } from "../../src/base/random.js";
import { perform } from "../../src/vswitch/verbs/dispatch.js";
import { randomFlowSet } from "./flows.js";
import { OurSwitch } from "./our-switch.js";
import { BRIDGE, type PrivateOvs } from "./ovs.js";

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

/** What came of a text: what is printed, said and answered as exit code. */
export interface Outcome {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** The text as Open vSwitch prints it when it has read it, or its sentence. */
export function theirReading(text: string): Outcome {
  const run = spawnSync("ovs-ofctl", parseLine(text).slice(1), { encoding: "utf8" });
  const stdout = withoutUnkept(run.stdout);
  return { exitCode: run.status ?? -1, stdout, stderr: withoutLog(run.stderr) };
}

/** Without the bytes of a flow label that has too many bits: we do not keep those. */
function withoutUnkept(text: string): string {
  return text.replace(/(?<=OFPBMC_BAD_VALUE\*{3}\n)([0-9a-f]{8}  .*\n)+/g, "");
}

/** Without the log, and the bytes in it: the real ovs-ofctl reads what it prints, and complains. */
function withoutLog(text: string): string {
  return text.replace(/^([0-9a-f]{8}  [0-9a-f -]+|.*\|(WARN|INFO)\|.*)\n/gm, "");
}

export async function ourReading(text: string): Promise<Outcome> {
  const args = parseLine(text).slice(1);
  const readFile = (): Promise<string> => Promise.reject(new Error("No such file or directory"));
  const answer = await perform({ tool: "ovs-ofctl", args, terminal: false, readFile }, null);
  return { ...answer, stderr: withoutLog(answer.stderr) };
}

const parseLine = (text: string): string[] => ["ovs-ofctl", "-vconsole:off", "parse-flow", text];

/** A difference between the two switches after a flow text was sent to them. */
export interface SwitchDifference {
  readonly text: string;
  readonly ours: string;
  readonly theirs: string;
}

/**
 * Sends texts, most of which are wrong, to both switches, one by one.
 * @returns what is said otherwise, or what is in the table otherwise where the text was refused.
 */
export async function compareSwitches(
  ovs: PrivateOvs,
  texts: readonly string[],
): Promise<{ refused: number; differences: SwitchDifference[] }> {
  ovs.setUp([], true);
  const ours = await OurSwitch.start([]);
  const differences: SwitchDifference[] = [];
  let refused = 0;
  const both = async (line: readonly string[]): Promise<[string, string]> => {
    const answers = [await ours.tool(line), ovs.tool(line)].map((answer) => {
      return withoutTimes(JSON.stringify({ ...answer, stderr: withoutLog(answer.stderr) }));
    });
    return answers as [string, string];
  };
  const dump = ["ovs-ofctl", "dump-flows", "--no-stats", BRIDGE];
  let before = await both(dump);
  for (const text of texts) {
    const [mine, theirs] = await both(["ovs-ofctl", "add-flow", BRIDGE, text]);
    if (mine !== theirs) differences.push({ text, ours: mine, theirs });
    const after = await both(dump);
    const isRefused = !theirs.includes('"exitCode":0');
    if (isRefused) refused++;
    before.forEach((old, i) => {
      if (!isRefused || after[i] === old) return;
      const change = `refused, and changed: ${after[i]!}`;
      differences.push({
        text,
        ...(i === 0 ? { ours: change, theirs: old } : { ours: old, theirs: change }),
      });
    });
    before = after;
  }
  return { refused, differences };
}

/** Without the times and process ids of messages, and the numbers of OpenFlow messages. */
const withoutTimes = (text: string): string =>
  text
    .replace(/\d{4}-\d\d-\d\dT[0-9:.]+Z\|/g, "")
    .replace(/xid=0x[0-9a-f]+/g, "xid")
    .replace(/xid 0x[0-9a-f]+/g, "xid");
