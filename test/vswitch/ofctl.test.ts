// ovs-ofctl and ovs-appctl against the dummy switch. What is expected was printed by Open vSwitch
// 3.1 for the same commands.
import { describe, expect, it } from "vitest";
import { tools } from "./tools.js";

const FLOWS = [
  "table=1,in_port=1,actions=2",
  "in_port=5,cookie=3,idle_timeout=5,hard_timeout=6,importance=7,actions=3",
  "priority=5,ip,actions=drop",
].join("\n");
const FRAME = "50540000000a5054000000090800";

describe("flows", () => {
  it("an added flow keeps its counters in OpenFlow 1.3, and age follows stopped time", async () => {
    const { ok } = await tools();
    await ok("ovs-appctl time/stop");
    await ok("ovs-ofctl -O OpenFlow13 add-flow br0 in_port=1,cookie=4,actions=output:2");
    await ok(`ovs-appctl netdev-dummy/receive p1 ${FRAME}`);
    expect(await ok("ovs-appctl time/warp 1000")).toBe("warped\n");
    await ok("ovs-ofctl -O OpenFlow13 add-flow br0 in_port=1,actions=output:3");
    expect(await ok("ovs-ofctl -O OpenFlow13 dump-flows br0")).toBe(
      "OFPST_FLOW reply (OF1.3) (xid=0x2):\n" +
        " cookie=0x0, duration=0s, table=0, n_packets=1, n_bytes=14, in_port=1 actions=output:3\n",
    );
  });

  it("diff-flows says what differs and ends with 2, replace-flows makes it the same", async () => {
    const { ok, run, files } = await tools();
    files.set("f", FLOWS);
    await ok("ovs-ofctl add-flow br0 in_port=1,actions=output:3");
    expect(await run("ovs-ofctl diff-flows br0 f")).toEqual({
      exitCode: 2,
      stdout:
        "-in_port=1 actions=output:3\n" +
        "+in_port=5 cookie=0x3 idle_timeout=5 hard_timeout=6 importance=7 actions=output:3\n" +
        "+priority=5,ip actions=drop\n" +
        "+table=1 in_port=1 actions=output:2\n",
      stderr: "",
    });
    await ok("ovs-ofctl replace-flows br0 f");
    expect(await ok("ovs-ofctl diff-flows br0 f")).toBe("");
  });

  it("of a bundle everything happens or nothing; without one, what comes before", async () => {
    const { refused, ok, files } = await tools();
    files.set("f", "delete\nadd in_port=5,actions=3\nadd in_port=5,check_overlap,ip,actions=3");
    await ok("ovs-ofctl add-flow br0 priority=7,actions=1");
    const line = "ovs-ofctl -O OpenFlow14 --bundle add-flows br0 f";
    expect(await refused(line)).toContain("Error OFPFMFC_OVERLAP for: OFPT_FLOW_MOD (OF1.4)");
    expect(await ok("ovs-ofctl --no-stats dump-flows br0")).toBe(" priority=7 actions=output:1\n");
    expect(await refused("ovs-ofctl add-flows br0 f")).toContain("OFPFMFC_OVERLAP");
    expect(await ok("ovs-ofctl --no-stats dump-flows br0")).toBe(" in_port=5 actions=output:3\n");
  });

  it("time-outs end flows when their time has come", async () => {
    const { ok } = await tools();
    await ok("ovs-appctl time/stop");
    await ok("ovs-ofctl add-flow br0 hard_timeout=5,actions=1");
    await ok("ovs-appctl time/warp 4000");
    expect(await ok("ovs-ofctl dump-aggregate br0")).toContain("flow_count=1");
    await ok("ovs-appctl time/warp 2000");
    expect(await ok("ovs-ofctl dump-aggregate br0")).toContain("flow_count=0");
  });
});

describe("groups and meters", () => {
  it("buckets are inserted and removed, and what is not there is refused", async () => {
    const { ok, refused } = await tools();
    const group = "group_id=1,type=all,bucket=output:1,bucket=output:2";
    await ok(`ovs-ofctl -O OpenFlow13 add-group br0 ${group}`);
    expect(await refused(`ovs-ofctl -O OpenFlow13 add-group br0 ${group}`)).toBe(
      "OFPT_ERROR (OF1.3) (xid=0x6): OFPGMFC_GROUP_EXISTS\n" +
        "OFPT_GROUP_MOD (OF1.3) (xid=0x6):\n" +
        " ADD group_id=1,type=all,bucket=actions=output:1,bucket=actions=output:2\n",
    );
    const bucket = "group_id=1,command_bucket_id=last,bucket=bucket_id:7,actions=output:3";
    await ok(`ovs-ofctl -O OpenFlow15 insert-buckets br0 ${bucket}`);
    await ok("ovs-ofctl -O OpenFlow15 remove-buckets br0 group_id=1,command_bucket_id=first");
    expect(await ok("ovs-ofctl -O OpenFlow15 dump-groups br0")).toBe(
      "OFPST_GROUP_DESC reply (OF1.5) (xid=0x2):\n" +
        " group_id=1,type=all,bucket=bucket_id:1,actions=output:2," +
        "bucket=bucket_id:7,actions=output:3\n",
    );
    const flow = "ovs-ofctl -O OpenFlow13 add-flow br0 actions=group:9";
    expect(await refused(flow)).toContain("OFPBAC_BAD_OUT_GROUP");
  });

  it("a flow may use a meter that is there, and goes with it", async () => {
    const { ok, refused } = await tools();
    const flow = "ovs-ofctl -O OpenFlow13 add-flow br0 actions=meter:1,output:2";
    expect(await refused(flow)).toContain("OFPMMFC_INVALID_METER");
    const meter = "meter=1,kbps,burst,stats,bands=type=drop,rate=1000,burst_size=500";
    await ok(`ovs-ofctl -O OpenFlow13 add-meter br0 ${meter}`);
    await ok(flow);
    expect(await ok("ovs-ofctl -O OpenFlow13 dump-meters br0")).toBe(
      "OFPST_METER_CONFIG reply (OF1.3) (xid=0x2):\nmeter=1 kbps burst stats bands=\n" +
        "type=drop rate=1000 burst_size=500\n",
    );
    await ok("ovs-ofctl -O OpenFlow13 del-meters br0");
    expect(await ok("ovs-ofctl -O OpenFlow13 --no-stats dump-flows br0")).toBe("");
  });
});

describe("the datapath", () => {
  it("a flow's text becomes a frame, the frame a flow of the datapath, NORMAL learns", async () => {
    const { ok } = await tools();
    await ok("ovs-ofctl add-flow br0 actions=normal");
    const frame =
      "in_port(1),eth(src=50:54:00:00:00:09,dst=50:54:00:00:00:0a),eth_type(0x0800)," +
      "ipv4(src=10.0.0.2,dst=10.0.0.1,proto=1,tos=0,ttl=64,frag=no),icmp(type=8,code=0)";
    await ok(`ovs-appctl netdev-dummy/receive p1 ${frame}`);
    expect(await ok("ovs-appctl dpctl/dump-flows")).toBe(
      "flow-dump from the main thread:\n" +
        "recirc_id(0),in_port(1),packet_type(ns=0,id=0)," +
        "eth(src=50:54:00:00:00:09,dst=50:54:00:00:00:0a),eth_type(0x0800),ipv4(frag=no), " +
        "packets:0, bytes:0, used:never, actions:100,2,3\n",
    );
    expect(await ok("ovs-appctl fdb/show br0")).toContain("    1     0  50:54:00:00:00:09    ");
    expect(await ok("ovs-ofctl dump-ports br0 p2")).toContain("tx pkts=1, bytes=106,");
    expect(await ok("ovs-appctl ofproto/trace br0 in_port=2,dl_dst=50:54:00:00:00:09")).toContain(
      "Datapath actions: 1\n",
    );
  });
});
