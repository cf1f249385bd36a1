// ovs-ofctl parse-flow and parse-flows: which message a text becomes, and with which words. What is
// expected was printed by Open vSwitch 3.1 for the same commands.
import { describe, expect, it } from "vitest";
import { tools } from "./tools.js";

describe("parse-flows", () => {
  it("one line that names a table makes every message of OpenFlow 1.0 name one", async () => {
    const { ok, files } = await tools([]);
    files.set("f", "actions=note:01\ntable=0,actions=drop\ntable=3,actions=drop\n");
    expect(await ok("ovs-ofctl parse-flows f")).toBe(
      "usable protocols: OXM,OpenFlow10+table_id,NXM+table_id,OpenFlow11\n" +
        "chosen protocol: OpenFlow10+table_id\n" +
        "OFPT_FLOW_MOD (xid=0x1): ADD table:255 actions=note:01.00.00.00.00.00\n" +
        "OFPT_FLOW_MOD (xid=0x2): ADD actions=drop\n" +
        "OFPT_FLOW_MOD (xid=0x3): ADD table:3 actions=drop\n",
    );
    expect(await ok("ovs-ofctl -O OpenFlow13 parse-flows f")).toContain(
      "(xid=0x1): ADD actions=note:01",
    );
  });

  it("without a protocol that can say it, says which could before it refuses", async () => {
    const { run } = await tools([]);
    const text = "actions=set_field:1/3->reg0";
    expect(await run(`ovs-ofctl -O OpenFlow11 parse-flow '${text}'`)).toEqual({
      exitCode: 1,
      stdout: "usable protocols: NXM,OXM\n",
      stderr: "ovs-ofctl: no usable protocol\n",
    });
    const impossible = await run(`ovs-ofctl -F OXM-OpenFlow13 parse-flow '${text}'`);
    expect(impossible.stdout).toBe("");
    expect(impossible.stderr).toContain("None of the enabled OpenFlow versions (OpenFlow10)");
  });
});
