// ovs-vswitchd.log, in the folder that OVS_LOGDIR names: which lines are in it.
import { mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { dummyTarget } from "../../src/vswitch/dummy/target.js";
import { SwitchLog } from "../../src/vswitch/log/log.js";
import { perform } from "../../src/vswitch/verbs/dispatch.js";
import { words } from "./tools.js";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "packetpath-log-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function logged(): string[] {
  return readFileSync(join(folder, "ovs-vswitchd.log"), "utf8").split("\n").slice(0, -1);
}

describe("the log of a switch", () => {
  it("has the flows of the datapath as Open vSwitch writes them, if it is asked to", async () => {
    const target = dummyTarget({ logFolder: folder });
    const readFile = (): Promise<string> => Promise.reject(new Error("no files"));
    const run = async (line: string): Promise<void> => {
      const [tool, ...args] = words(line);
      const request = { tool: tool as "ovs-vsctl", args, terminal: false, readFile };
      expect((await perform(request, target)).stderr).toBe("");
    };
    const frame =
      "'in_port(1),eth(src=50:54:00:00:00:05,dst=50:54:00:00:00:07),eth_type(0x0800)," +
      "ipv4(src=10.168.0.1,dst=192.168.0.2,proto=6,tos=0,ttl=64,frag=no),tcp(src=1,dst=2)'";
    await run("ovs-vsctl add-br br0 -- set bridge br0 datapath-type=dummy fail-mode=secure");
    for (const n of [1, 2]) {
      const port = `p${n} -- set Interface p${n} type=dummy ofport_request=${n}`;
      await run(`ovs-vsctl add-port br0 ${port}`);
    }
    await run("ovs-ofctl add-flow br0 in_port=1,ip,nw_src=10.0.0.0/8,actions=dec_ttl,2");
    await run(`ovs-appctl netdev-dummy/receive p1 ${frame}`);
    expect(logged()).toEqual([]);
    await run("ovs-appctl vlog/set dpif_netdev:dbg");
    await run("ovs-appctl dpctl/del-flows");
    await run(`ovs-appctl netdev-dummy/receive p1 ${frame}`);
    await run(`ovs-appctl netdev-dummy/receive p1 ${frame}`);
    // Recorded from Open vSwitch 3.1, but for the ids.
    expect(logged()).toHaveLength(1);
    expect(logged()[0]).toMatch(
      "recirc_id(0),in_port(1),packet_type(ns=0,id=0),eth_type(0x0800)," +
        "ipv4(src=10.168.0.1/255.0.0.0,proto=6,ttl=64,frag=no), actions:set(ipv4(ttl=63)),2",
    );
  });

  it("hears what its levels say", () => {
    const log = new SwitchLog(folder);
    log.write("bridge", "info", "one");
    log.write("bridge", "dbg", "two");
    log.set("ANY:console:off");
    log.set("bridge:file:dbg");
    log.write("bridge", "dbg", "three");
    log.set("warn");
    log.write("bridge", "info", "four");
    log.write("bridge", "warn", "five");
    expect(logged().map((line) => line.split("|").slice(1).join("|"))).toEqual([
      "00001|bridge|INFO|one",
      "00002|bridge|DBG|three",
      "00003|bridge|WARN|five",
    ]);
  });

  it("goes on in another file when its own was moved", () => {
    const log = new SwitchLog(folder);
    log.write("bridge", "warn", "one");
    log.close();
    log.write("bridge", "warn", "two");
    renameSync(join(folder, "ovs-vswitchd.log"), join(folder, "old"));
    log.reopen();
    log.write("bridge", "warn", "three");
    expect(logged()).toHaveLength(1);
    expect(logged()[0]).toContain("three");
  });

  it("is not there without a folder, and a folder that is not there is an error", () => {
    expect(new SwitchLog().hears("bridge", "err")).toBe(false);
    expect(() => new SwitchLog(join(folder, "none"))).toThrow("no such file or directory");
  });
});
