// Traces of the dummy switch that depend on what was set with the tools before. What is expected
// was printed by Open vSwitch 3.1 for the same commands.
import { describe, expect, it } from "vitest";
import { tools } from "./tools.js";

const trace = "ovs-appctl ofproto/trace br0 in_port=1,ip";

describe("ofproto/trace of groups", () => {
  it("fast failover leaves a port that was set down, and comes back to it", async () => {
    const { ok } = await tools();
    const group = "group_id=1,type=ff,bucket=watch_port:2,2,bucket=watch_port:3,3";
    await ok(`ovs-ofctl -O OpenFlow13 add-group br0 ${group}`);
    await ok("ovs-ofctl -O OpenFlow13 add-flow br0 actions=group:1");
    expect(await ok(trace)).toContain("Datapath actions: 2\n");
    await ok("ovs-appctl netdev-dummy/set-admin-state p2 down");
    expect(await ok(trace)).toMatch(
      / -> bucket 0: not live due to port 2\n +-> using bucket 1\n[^]*Datapath actions: 3\n/,
    );
    await ok("ovs-appctl netdev-dummy/set-admin-state p2 up");
    expect(await ok(trace)).toContain("Datapath actions: 2\n");
  });

  it("a group that is selected by the datapath's hash ends the trace", async () => {
    const { ok } = await tools();
    const group = "group_id=1,type=select,bucket=2,bucket=3";
    await ok(`ovs-ofctl -O OpenFlow13 add-group br0 ${group}`);
    await ok("ovs-ofctl -O OpenFlow13 add-flow br0 actions=group:1");
    const text = await ok(trace);
    expect(text).toContain("    group:1\n     -> no live bucket\n");
    expect(text).toMatch(/Datapath actions: hash\(sym_l4\(0\)\),recirc\(0x[0-9a-f]+\)\n$/);
  });
});

describe("ofproto/trace of packets for the controller", () => {
  it("holds them back, unless it is to have side effects", async () => {
    const { ok } = await tools();
    await ok("ovs-ofctl add-flow br0 actions=controller");
    const rest = "continuation=0,recirc_id=N,rule_cookie=0,controller_id=0,max_len=65535))";
    const controllerPart = async (line: string): Promise<string> => {
      const lines = (await ok(line)).trimEnd().split("\n");
      const found = lines.find((each) => each.includes("userspace("));
      return found!.replace(/recirc_id=\d+,rule/, "recirc_id=N,rule").replace(/.*userspace/, "");
    };
    expect(await controllerPart(trace)).toBe(`(pid=0,controller(reason=1,dont_send=1,${rest}`);
    expect(await controllerPart(`${trace} -generate`)).toContain("dont_send=0");
    await ok("ovs-appctl netdev-dummy/receive p1 50540000000a5054000000090800");
    expect(await controllerPart("ovs-appctl dpctl/dump-flows")).toContain("dont_send=0");
  });
});

describe("ofproto/trace of long loads", () => {
  it("has a line for each load that the value was sent as", async () => {
    const { ok } = await tools();
    const value = "0x0123456789abcdeffedcba9876543210";
    await ok(`ovs-ofctl add-flow br0 'actions=load:${value}->NXM_NX_XXREG1[],2'`);
    expect(await ok(trace)).toContain(
      "    load:0xfedcba9876543210->NXM_NX_XXREG1[0..63]\n" +
        "    load:0x123456789abcdef->NXM_NX_XXREG1[64..127]\n" +
        "    output:2\n",
    );
  });
});
