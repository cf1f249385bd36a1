// Commands on flow tables and dumps of them, as ovs-ofctl 3.1.0 and its switch had them: what
// del-flows, mod-flows and dump-flows take, and what dump-flows prints in each version's words.
import { describe, expect, it } from "vitest";
import { PacketpathError } from "../../src/base/errors.js";
import {
  formatDumpedLines,
  formatDumpFlows,
  formatDuration,
  parseSortCriterion,
  sortFlows,
  type DumpedFlow,
} from "../../src/ofctl/dump-flows.js";
import { leadingCommand, type FlowCommand } from "../../src/ofctl/flow-mods.js";
import { formatFlowMod } from "../../src/ofctl/format.js";
import { parseFlow, parseFlowMod, parseFlowModFile } from "../../src/ofctl/parse.js";
import { chooseFormat, formatsToString } from "../../src/ofctl/protocols.js";

const HINT = "(to match on a cookie, specify a mask, e.g. cookie=5/-1)";

/** Command, text, and the sentence; "" when it is taken. */
const RECORDED: readonly (readonly [FlowCommand, string, string])[] = [
  ["delete", "cookie=5", `cannot set cookie ${HINT}`],
  ["query", "cookie=5", `cannot set cookie ${HINT}`],
  ["delete_strict", "cookie=5", `cannot set cookie ${HINT}`],
  ["modify", "cookie=5,actions=1", ""],
  ["delete", "cookie=5/x", "invalid numeric format x"],
  ["modify", "cookie=x/5,actions=1", "invalid numeric format x"],
  ["query", "cookie=5/5", ""],
  ["add", "cookie=5/5,actions=1", "flow additions cannot use a cookie mask"],
  ["delete", "priority=3", "unknown keyword priority"],
  ["query", "priority=3", "unknown keyword priority"],
  ["delete_strict", "priority=3", ""],
  ["modify", "priority=3,actions=1", ""],
  ["delete", "idle_timeout=3", "unknown keyword idle_timeout"],
  ["delete_strict", "idle_timeout=3", "unknown keyword idle_timeout"],
  ["modify", "idle_timeout=3,actions=1", ""],
  ["delete", "out_port=foo", "foo is not a valid OpenFlow port"],
  ["query", "out_port=3", ""],
  ["modify", "out_port=3,actions=1", "unknown keyword out_port"],
  ["delete", "out_group=foo", "foo is not a valid OpenFlow group"],
  ["modify", "out_group=3,actions=1", "unknown keyword out_group"],
  ["delete", "actions=1", "unknown keyword actions"],
  ["query", "actions=1", "unknown keyword actions"],
  ["modify", "importance=3,actions=1", "unknown keyword importance"],
  ["delete", "send_flow_rem", "field send_flow_rem missing value"],
  ["modify", "send_flow_rem,actions=1", ""],
  ["delete", "foo", "field foo missing value"],
  ["delete", "reg0[0]=5", "reg0[0]: value 0x5 does not fit into 1 bits"],
  ["query", "reg0[0]", "reg0[0]: cannot parse integer value: "],
  ["query", "reg0[0..3]x=3", "unexpected input following field syntax"],
  ["modify", "table=3", "must specify an action"],
];

describe("what commands take", () => {
  it.each(RECORDED)("%s %s", (command, text, sentence) => {
    try {
      parseFlowMod(text, command);
    } catch (error) {
      if (!(error instanceof PacketpathError)) throw error;
      expect(error.message).toBe(sentence);
      return;
    }
    expect(sentence).toBe("");
  });

  it("out_group needs OpenFlow 1.1; an unmaskable sub-field has no format at all", () => {
    expect(formatsToString(parseFlowMod("out_group=3", "delete").formats)).toBe("OXM,OpenFlow11");
    expect(formatsToString(parseFlowMod("nw_ttl[0]=1", "query").formats)).toBe("none");
    expect(chooseFormat(0)).toBe(0);
  });

  it("a modify keeps the cookie unless it says one, and can look for one", () => {
    expect(parseFlowMod("actions=1", "modify").mod.cookie).toBeNull();
    const { mod } = parseFlowMod("cookie=4/-1,cookie=7,actions=1", "modify");
    expect(mod.cookie).toBe(7n);
    expect(mod.cookieFilter).toEqual({ value: 4n, mask: (1n << 64n) - 1n });
    expect(formatFlowMod(mod)).toBe(
      "MOD cookie:0x7 cookie:0x4/0xffffffffffffffff actions=output:1",
    );
  });

  it("any beginning of a command will do in a file", () => {
    const commands = ["add", "delete", "delete_s", "modify", "modify_strict", "m", "d", "a"];
    expect(commands.map((word) => leadingCommand(`${word} tcp`).command)).toEqual([
      "add",
      "delete",
      "delete_strict",
      "modify",
      "modify_strict",
      "modify",
      "delete",
      "add",
    ]);
    expect(leadingCommand("tcp actions=1")).toEqual({ command: "add", from: 0 });
    const file = parseFlowModFile(
      "delete table=1\nmodify_strict priority=5 actions=2\nactions=1\n",
    );
    expect(file.map(({ mod }) => [mod.command, mod.table, mod.priority])).toEqual([
      ["delete", 1, 32768],
      ["modify_strict", 255, 5],
      ["add", 255, 32768],
    ]);
  });

  it("what a normalization took away is shown before and after", () => {
    const { normalization } = parseFlowMod("nw_src=1.2.3.4,tp_dst=80,actions=1", "add");
    expect(normalization).toEqual({ before: "nw_src=1.2.3.4,tp_dst=80", after: "" });
    expect(parseFlowMod("tcp,tp_dst=80,actions=1", "add").normalization).toBeNull();
  });
});

const stats = {
  durationSeconds: 6.75,
  packets: 0,
  bytes: 0,
  idleAgeSeconds: 6,
  hardAgeSeconds: 0,
};
const dumped = (text: string): DumpedFlow => ({ flow: parseFlow(text), stats });
const FLOW =
  "table=1,priority=5,send_flow_rem,importance=4,idle_timeout=900,cookie=5,tcp,in_port=1 " +
  "actions=write_actions(mod_nw_src:1.2.3.4,group:9),goto_table:5";
const HEAD = " cookie=0x5, duration=6.750s, table=1, n_packets=0, n_bytes=0, idle_timeout=900, ";
const WRITTEN = "actions=write_actions(set_field:1.2.3.4->ip_src,group:9),goto_table:5";

describe("dump-flows", () => {
  it.each([
    [10, "NXST_FLOW reply (xid=0x4):", "idle_age=6, hard_age=0, ", "actions=resubmit(,5)"],
    [13, "OFPST_FLOW reply (OF1.3) (xid=0x2):", "send_flow_rem ", WRITTEN],
    [14, "OFPST_FLOW reply (OF1.4) (xid=0x2):", "send_flow_rem importance=4, ", WRITTEN],
    [
      15,
      "OFPST_FLOW reply (OF1.5) (xid=0x2):",
      "send_flow_rem importance=4, idle_age=6, ",
      WRITTEN,
    ],
  ] as const)("in the words of version %i", (version, header, properties, actions) => {
    expect(formatDumpFlows([dumped(FLOW)], { version })).toBe(
      `${header}\n${HEAD}${properties}priority=5,tcp,in_port=1 ${actions}\n`,
    );
  });

  it("without stats, with names, sorted: lines only, and no ages in 1.0", () => {
    const flow = dumped("table=3,priority=9,in_port=1 actions=output:1,output:2");
    const portNames = new Map([[1, "p1"]]);
    expect(formatDumpedLines([flow], { stats: false, portNames })).toBe(
      " table=3, priority=9,in_port=p1 actions=output:p1,output:2\n",
    );
    expect(formatDumpedLines([flow], { stats: true })).toBe(
      " cookie=0x0, duration=6.750s, table=3, n_packets=0, n_bytes=0, " +
        "priority=9,in_port=1 actions=output:1,output:2\n",
    );
  });

  it("durations have milliseconds only when there are some", () => {
    expect([0, 7, 0.25, 6.7].map(formatDuration)).toEqual(["0s", "7s", "0.250s", "6.700s"]);
  });

  it("flows without the field of a sort come last, in either direction", () => {
    const flows = ["dl_vlan=5", "priority=3,in_port=2", "priority=9,in_port=1"].map((match) =>
      dumped(`${match} actions=1`),
    );
    const order = (text: string, descending: boolean): number[] =>
      sortFlows(flows, [parseSortCriterion(text, descending)!]).map(({ flow }) => flow.priority);
    expect(order("", false)).toEqual([3, 9, 32768]);
    expect(order("priority", true)).toEqual([32768, 9, 3]);
    expect(order("in_port", false)).toEqual([9, 3, 32768]);
    expect(order("in_port", true)).toEqual([3, 9, 32768]);
    expect(parseSortCriterion("foo", false)).toBeNull();
  });
});
