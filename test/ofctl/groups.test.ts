// Group text: canonical printing and Open vSwitch 3.1's own sentences, recorded from ovs-ofctl and
// asked again of the real one where it is installed.
import { spawnSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { PacketpathError } from "../../src/base/errors.js";
import { Random } from "../../src/base/random.js";
import { formatDumpGroups, formatGroup, formatGroupMod } from "../../src/ofctl/format-groups.js";
import {
  checkGroupMod,
  groupOfMod,
  parseGroupFile,
  parseGroupMod,
  type GroupCommand,
} from "../../src/ofctl/groups.js";

const version = spawnSync("ovs-ofctl", ["--version"], { encoding: "utf8" }).stdout ?? "";
const missing = /\) 3\.1\./.test(version) ? "" : " (needs ovs-ofctl 3.1)";

/** Text and what `ovs-ofctl parse-group` makes of it: the group mod, or the sentence. */
const RECORDED: readonly (readonly [string, string])[] = [
  ["group_id=1", "must specify a type"],
  ["type=all", "must specify a group_id"],
  ["group_id=1,type=foo", "invalid group type foo"],
  ["group_id=x,type=all", "invalid numeric format x"],
  ["group_id=,type=all", "missing required numeric argument"],
  ["group_id=4294967041,type=all", "invalid group id 4294967041"],
  ["group_id=1,type=all,bucket", "unknown keyword bucket"],
  ["group_id=1,type=all,bucket=", "bucket must specify actions"],
  ["group_id=1,type=all,bucket=weight=5,1", "Only select groups can have bucket weights."],
  ["group_id=1,type=select,bucket=weight:70000,1", 'invalid weight "70000"'],
  ["group_id=1,type=ff,bucket=1", "fast failover bucket requires watch_port or watch_group"],
  ["group_id=1,type=ff,bucket=watch_port=foo,1", "foo: invalid watch_port"],
  ["group_id=2,type=ff,bucket=watch_port:LOCAL,output:1", "LOCAL: invalid watch_port"],
  ["group_id=5,type=all,bucket=watch_group:0xffffff01,1", "invalid watch_group id 4294967041"],
  ["group_id=5,type=all,bucket=bucket_id:0xffffff01,1", "invalid bucket_id id 4294967041"],
  ["group_id=1,type=indirect,bucket=1,bucket=2", "Indirect groups can have at most one bucket."],
  [
    "group_id=4,type=select,selection_method_param=5,bucket=1",
    'selection_method_param is only allowed with "selection_method"',
  ],
  [
    "group_id=4,type=select,selection_method=hash,selection_method_param=x,bucket=1",
    "invalid numeric format x",
  ],
  [
    "group_id=4,type=select,fields=ip_dst,bucket=1",
    'fields may only be specified with "selection_method=hash"',
  ],
  ["group_id=4,type=select,selection_method=hash,fields(foo),bucket=1", ": unknown field foo"],
  [
    "group_id=4,type=select,selection_method=hash,fields(ip_dst=255.255.255.0,foo=1,x),bucket=1",
    "x: unknown field foo",
  ],
  [
    "group_id=4,type=select,selection_method=hash,fields(ip_dst,ip_dst),bucket=1",
    "ip_dst: duplicate field",
  ],
  [
    "group_id=4,type=select,selection_method=hash,fields(ip_dst=0.0.0.0),bucket=1",
    ": values are wildcards here and must not be all-zeros",
  ],
  [
    "group_id=4,type=select,selection_method=hash,fields(nw_ttl=3),bucket=1",
    "3: invalid mask for field nw_ttl",
  ],
  [
    "group_id=4,type=select,selection_method=hashhashhashhashhash,bucket=1",
    "selection method is longer than 15 bytes long",
  ],
  ["group_id=4,type=all,command_bucket_id=1,bucket=1", "command bucket id is not needed"],
  ["group_id=4,type=all,foo=1,bucket=1", "unknown keyword foo"],
  ["group_id=4,type=all,bucket=foo", "unknown action foo"],
  ["group_id=8,type=all,bucket=goto_table:5", "goto_table instruction not allowed here"],
  ["group_id=8,type=all,bucket=write_actions(1)", "write_actions instruction not allowed here"],
  [
    "group_id=8,type=all,bucket=1,set_field:1->ct_mark",
    "cannot set CT fields outside of ct action",
  ],
  ["group_id=7,type=all", "ADD group_id=7,type=all"],
  ["group_id=all,type=all", "ADD group_id=4294967292,type=all"],
  [
    "group_id=6,type=fast_failover,bucket=watch_port=1,1",
    "ADD group_id=6,type=ff,bucket=bucket_id:0,watch_port:1,actions=output:1",
  ],
  [
    "group_id=1,type=ff,bucket=watch_port:1,output:1,bucket=watch_group:1,2",
    "ADD group_id=1,type=ff,bucket=bucket_id:0,watch_port:1,actions=output:1," +
      "bucket=bucket_id:1,watch_group:1,actions=output:2",
  ],
  [
    "group_id=1,type=select,selection_method=hash,fields(ip_dst,nw_src=255.255.0.0,tcp_dst)," +
      "bucket=weight:5,bucket_id:7,1,2,bucket=actions=drop",
    "ADD group_id=1,type=select,selection_method=hash,fields(ip_src=255.255.0.0,ip_dst,tcp_dst)," +
      "bucket=bucket_id:7,weight:5,actions=output:1,output:2,bucket=bucket_id:0,actions=drop",
  ],
  [
    "group_id=30 type=select selection_method=hash fields=ip_dst selection_method_param=7 bucket=1",
    "ADD group_id=30,type=select,selection_method=hash,selection_method_param=7,fields=ip_dst," +
      "bucket=bucket_id:0,actions=output:1",
  ],
  [
    "group_id=5,type=all,bucket=actions=drop,bucket=1",
    "ADD group_id=5,type=all,bucket=bucket_id:0,actions=drop,bucket=bucket_id:1,actions=output:1",
  ],
  [
    "group_id=5,type=select,bucket=weight:0,1",
    "ADD group_id=5,type=select,bucket=bucket_id:0,weight:0,actions=output:1",
  ],
  [
    "group_id=4,type=all,bucket=mod_nw_src:1.2.3.4,set_field:5->reg0,set_field(5->reg1)," +
      "output:reg0[],resubmit(,3),learn(table=4),group:7",
    "ADD group_id=4,type=all,bucket=bucket_id:0,actions=mod_nw_src:1.2.3.4," +
      "load:0x5->NXM_NX_REG0[],load:0x5->NXM_NX_REG1[],output:NXM_NX_REG0[],resubmit(,3)," +
      "learn(table=4),group:7",
  ],
  [
    "group_id=8,type=all,bucket=clone(1,2),enqueue:1:2,mod_vlan_vid:4,action=3",
    "ADD group_id=8,type=all,bucket=bucket_id:0,actions=clone(output:1,output:2),enqueue:1:2," +
      "mod_vlan_vid:4,output:3",
  ],
  [
    "group_id=3,type=all,bucket=conjunction(1,1/2)",
    "ADD group_id=3,type=all,bucket=bucket_id:0,actions=conjunction(1,1/2)",
  ],
];

/** What this parser and printer make of a text. */
function ours(text: string, command: GroupCommand = "add"): string {
  try {
    const mod = parseGroupMod(text, command);
    const error = checkGroupMod(mod);
    // A switch refuses groups named "all"; printing them is ovs-ofctl's.
    return error === null || error === "OFPGMFC_INVALID_GROUP" ? formatGroupMod(mod) : error;
  } catch (error) {
    if (error instanceof PacketpathError && error.code === "FLOW_INVALID") return error.message;
    throw error;
  }
}

/** What the real ovs-ofctl makes of it. */
function real(text: string): string {
  const run = spawnSync("ovs-ofctl", ["-vconsole:off", "parse-group", "--", text], {
    encoding: "utf8",
  });
  if (run.status !== 0) return run.stderr.replace(/\n$/, "").replace(/^ovs-ofctl: /, "");
  const refusal = /\*\*\*decode error: (\w+)\*\*\*/.exec(run.stdout);
  return refusal === null ? run.stdout.trimEnd().split("\n").at(-1)!.trim() : refusal[1]!;
}

describe("group text", () => {
  it.each(RECORDED)("%s", (text, expected) => {
    expect(ours(text)).toBe(expected);
  });

  it.skipIf(missing !== "")(`the real ovs-ofctl says the same${missing}`, () => {
    const wrong = RECORDED.filter(([text, expected]) => real(text) !== expected);
    expect(wrong.map(([text]) => [text, real(text)])).toEqual([]);
  });

  it("a printed group is read back as the same group, in the words of 1.0 and 1.5", () => {
    for (const [text, printed] of RECORDED) {
      if (!printed.startsWith("ADD ") || text.includes("group_id=all")) continue;
      const group = groupOfMod(parseGroupMod(text, "add"));
      for (const style of [10, 15] as const) {
        const again = formatGroup(group, { version: style });
        const back = groupOfMod(parseGroupMod(again, "add"));
        expect(formatGroup(back, { version: style })).toBe(again);
        if (style === 10) expect({ ...back, buckets: [] }).toEqual({ ...group, buckets: [] });
      }
    }
  });

  it("1.3 has no words for bucket numbers and selection methods", () => {
    const text = "group_id=3,type=select,selection_method=dp_hash,bucket=weight:2,mod_vlan_vid:3";
    const group = groupOfMod(parseGroupMod(text, "add"));
    expect(formatDumpGroups([group], { version: 13 })).toBe(
      "OFPST_GROUP_DESC reply (OF1.3) (xid=0x2):\n" +
        " group_id=3,type=select,bucket=weight:2,actions=push_vlan:0x8100," +
        "set_field:4099->vlan_vid\n",
    );
    expect(formatDumpGroups([group])).toBe(
      "NXST_GROUP_DESC reply (xid=0x2):\n" +
        " group_id=3,type=select,selection_method=dp_hash," +
        "bucket=bucket_id:0,weight:2,actions=mod_vlan_vid:3\n",
    );
  });
});

/** Command, text and outcome, as the real ovs-ofctl had them. */
const COMMANDS: readonly (readonly [GroupCommand, string, string])[] = [
  ["insert_bucket", "group_id=20", "must specify a command bucket id"],
  [
    "insert_bucket",
    "group_id=20,command_bucket_id=all,bucket=2",
    "command_bucket_id=all is not permitted",
  ],
  ["insert_bucket", "group_id=20,command_bucket_id=x,bucket=2", "invalid numeric format x"],
  [
    "insert_bucket",
    "group_id=20,command_bucket_id=4294967041,bucket=2",
    "invalid command bucket id 4294967041",
  ],
  ["insert_bucket", "group_id=20,type=all,command_bucket_id=1,bucket=2", "type is not needed"],
  [
    "insert_bucket",
    "group_id=20,command_bucket_id=99,bucket=bucket_id:8,2",
    "INSERT_BUCKET command_bucket_id:99,group_id=20,bucket=bucket_id:8,actions=output:2",
  ],
  [
    "insert_bucket",
    "group_id=21,command_bucket_id=last,bucket=6",
    "INSERT_BUCKET command_bucket_id:last,group_id=21,bucket=bucket_id:0,actions=output:6",
  ],
  ["remove_bucket", "group_id=20,command_bucket_id=last,bucket=1", "bucket is not needed"],
  [
    "remove_bucket",
    "group_id=21,command_bucket_id=all",
    "REMOVE_BUCKET command_bucket_id:all,group_id=21",
  ],
  ["remove_bucket", "group_id=20", "REMOVE_BUCKET command_bucket_id:all,group_id=20"],
  ["delete", "foo", "unknown keyword foo"],
  ["delete", "group_id=20,type=all", "type is not needed"],
  ["delete", "group_id=20,bucket=1", "bucket is not needed"],
  [
    "modify",
    "group_id=20,type=all,bucket=group:3",
    "MOD group_id=20,type=all,bucket=bucket_id:0,actions=group:3",
  ],
];

describe("commands on groups", () => {
  it.each(COMMANDS)("%s %s", (command, text, expected) => {
    expect(ours(text, command)).toBe(expected);
  });

  it("del-groups without an argument means all groups", () => {
    expect(parseGroupMod("", "delete").group).toBe("all");
    expect(parseGroupMod("group_id=all", "delete").group).toBe("all");
    expect(parseGroupMod("group_id=7", "delete").group).toBe(7);
  });

  it.each([
    ["group_id=1,type=indirect", "OFPGMFC_INVALID_GROUP"],
    ["group_id=1,type=all,bucket=watch_port:1,1", "OFPGMFC_WATCH_UNSUPPORTED"],
    ["group_id=1,type=all,bucket=bucket_id:1,1,bucket=bucket_id:1,2", "OFPGMFC_BAD_BUCKET"],
    ["group_id=1,type=all,bucket=bucket_id:0,1,bucket=2", "OFPGMFC_BAD_BUCKET"],
    ["group_id=1,type=select,selection_method=foo,bucket=1", "OFPBPC_BAD_VALUE"],
    ["group_id=all,type=all", "OFPGMFC_INVALID_GROUP"],
  ])("a switch refuses %s: %s", (text, code) => {
    expect(checkGroupMod(parseGroupMod(text, "add"))).toBe(code);
  });

  it("lines of a file may begin with a command; a mistake has its line and column", () => {
    const text =
      "# groups\nadd group_id=1,type=all,bucket=1\ndelete group_id=2\ngroup_id=3,type=ff\n";
    expect(parseGroupFile(text).map((mod) => [mod.command, mod.group])).toEqual([
      ["add", 1],
      ["delete", 2],
      ["add", 3],
    ]);
    const wrong = (): unknown => parseGroupFile("\ngroup_id=1,type=foo", { file: "g" });
    expect(wrong).toThrow(PacketpathError);
    try {
      wrong();
    } catch (error) {
      expect(String(error)).toBe("g:2:17: error: invalid group type foo");
    }
  });
});

it.skipIf(missing !== "")(
  `texts with a character changed mean the same to the real ovs-ofctl, seed 11${missing}`,
  () => {
    const random = new Random(11);
    const alphabet = "0129af,.:=()->x ";
    const wrong: object[] = [];
    for (let i = 0; i < 400; i++) {
      const [text] = random.pick(RECORDED);
      const at = random.below(text.length);
      const mutant =
        text.slice(0, at) +
        alphabet[random.below(alphabet.length)]! +
        text.slice(at + random.below(2));
      const [mine, theirs] = [ours(mutant), real(mutant)];
      if (mine !== theirs) wrong.push({ mutant, mine, theirs });
    }
    expect(wrong).toEqual([]);
  },
);
