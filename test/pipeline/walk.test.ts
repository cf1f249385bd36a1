// The walk over action lists: clones, the action set, stack, metadata, limits, exit, as
// Open vSwitch 3.1 has them. Flows in ofctl text, frames through the datapath, what comes out.
import { describe, expect, it } from "vitest";
import { WORD } from "../../src/flow/key.js";
import { ODP } from "../../src/flow/odp.js";
import type { Observer } from "../../src/pipeline/observer.js";
import { ends, keyOf, textLab, udp, type Lab } from "./fixtures.js";

/** Where a datagram from port 1 goes. */
function route(flows: readonly string[], groups: readonly string[] = []): (number | string)[] {
  return ends(textLab(flows, groups).send(udp(), 1));
}

/** What an observer was told, one word for each call. */
function told({ pipeline }: Lab, frame = udp(), inPort = 1): string[] {
  const lines: string[] = [];
  const write = (name: string) => (text?: unknown) => {
    lines.push(typeof text === "string" ? `${name}: ${text}` : name);
  };
  const observer: Observer = {
    ...{ table: write("table"), bucket: write("bucket"), thaw: write("thaw") },
    ...{ leave: write("leave"), action: write("action"), actions: write("actions") },
    ...{ learned: write("learned"), detail: write("detail"), warning: write("warning") },
    ...{ error: write("error"), line: write("line"), subField: write("subField") },
    ...{
      actionSet: write("actionSet"),
      bridge: write("bridge"),
      recirculation: write("recirculation"),
      restoring: write("restoring"),
      owner: write("owner"),
    },
    portName: String,
    end: (_ctx, error) => lines.push(`end: ${error}`),
  };
  pipeline.translate(keyOf(frame, inPort), { sideEffects: false, observer });
  return lines;
}

describe("registers and metadata", () => {
  it("live from table to table, xregs over regs, and are not seen by the next packet", () => {
    const lab = textLab([
      "in_port=1 actions=load:0x12345678->OXM_OF_PKT_REG0[0..31],write_metadata:0x5/0xf," +
        "goto_table:1",
      "in_port=2 actions=goto_table:1",
      "table=1,reg1=0x12345678,metadata=0x5 actions=output:3",
      "table=1,priority=1 actions=output:4",
    ]);
    expect(ends(lab.send(udp(), 1))).toEqual([3]);
    expect(ends(lab.send(udp(), 2))).toEqual([4]);
    expect(ends(lab.send(udp(), 1))).toEqual([3]);
  });

  it("no register is in a megaflow", () => {
    const { pipeline } = textLab(["reg0=0,metadata=0,tun_id=0 actions=output:2"]);
    const { mask } = pipeline.translate(keyOf(udp(), 1));
    expect(mask).toHaveLength(32);
  });

  it("pkt_mark and the queue's priority are the datapath's, and in its keys when looked at", () => {
    const { pipeline } = textLab([
      "pkt_mark=0 actions=set_queue:5,load:9->NXM_NX_PKT_MARK[],output:2",
    ]);
    const { mask, actions, isPlain } = pipeline.translate(keyOf(udp(), 1));
    expect([...actions]).toEqual([
      ...[ODP.set, WORD.skbPriority, -1, 5],
      ...[ODP.set, WORD.pktMark, -1, 9],
      ...[ODP.output, 2],
    ]);
    expect([mask[WORD.pktMark], mask[WORD.skbPriority]]).toEqual([0xffffffff, 0xffffffff]);
    expect(isPlain).toBe(false);
  });
});

describe("the stack", () => {
  it("keeps values of any width; too wide loses high bits, too narrow gets zeros", () => {
    const flows = [
      "actions=load:0xabcd1234->NXM_NX_REG0[],push:NXM_NX_REG0[],push:NXM_NX_REG0[28..31]," +
        "load:0xffffffff->NXM_NX_REG1[],pop:NXM_NX_REG1[0..15],pop:NXM_NX_REG2[0..15],goto_table:1",
      "table=1,reg1=0xffff000a,reg2=0x1234 actions=output:2",
    ];
    expect(route(flows)).toEqual([2]);
  });

  it("an empty stack is told and changes nothing", () => {
    const lab = textLab(["actions=load:7->NXM_NX_REG1[],pop:NXM_NX_REG1[],goto_table:1"]);
    expect(told(lab)).toContain("error: stack underflow");
  });

  it("64 kB of it end the translation at the next table", () => {
    const pushes = "push:NXM_NX_XXREG0[],".repeat(100);
    const flows = (times: number) => [
      `actions=${"resubmit(,1),".repeat(times)}output:2`,
      `table=1 actions=${pushes}resubmit(,2)`,
      "table=2 actions=output:3",
    ];
    // 38 * 100 * 17 bytes fit, 39 times as many do not.
    expect(route(flows(38))).toHaveLength(39);
    expect(route(flows(39))).toEqual(["translation-limit"]);
    expect(told(textLab(flows(39)))).toEqual(
      expect.arrayContaining([
        "error: resubmits yielded over 64 kB of stack",
        "end: Stack too deep",
      ]),
    );
  });
});

describe("limits", () => {
  it("64 kB of actions end the translation but are executed, and not kept", () => {
    const lab = textLab([
      `ip actions=${"resubmit(,1),".repeat(40)}output:3`,
      `table=1,ip actions=${"mod_nw_ttl:9,output:2,mod_nw_ttl:8,output:2,".repeat(100)}output:4`,
    ]);
    const fates = lab.send(udp(), 1);
    expect(fates.length).toBeGreaterThan(2000);
    expect(fates.length).toBeLessThan(40 * 201);
    expect(told(lab)).toContain("error: resubmits yielded over 64 kB of actions");
    expect(lab.datapath.dump()).toEqual([]);
    expect(lab.send(udp(), 1)).toHaveLength(fates.length);
  });

  it("depth counts resubmits to the same or an earlier table, and groups", () => {
    const chain = Array.from(
      { length: 63 },
      (_, i) => `group_id=${i},type=indirect,bucket=${i === 62 ? "output:2" : `group:${i + 1}`}`,
    );
    expect(route(["actions=group:0"], chain.toReversed())).toEqual([2]);
    const longer = [
      ...chain.slice(0, 62),
      ...[62, 63, 64].map(
        (i) => `group_id=${i},type=indirect,bucket=${i === 64 ? "output:2" : `group:${i + 1}`}`,
      ),
    ];
    expect(route(["actions=group:0"], longer.toReversed())).toEqual(["translation-limit"]);
  });
});

describe("exit", () => {
  it("ends the pipeline with its callers, and the action set with it", () => {
    expect(
      route(["actions=output:2,resubmit(,1),output:3", "table=1 actions=output:4,exit"]),
    ).toEqual([2, 4]);
    expect(
      route(["actions=write_actions(output:3),goto_table:1", "table=1 actions=output:2,exit"]),
    ).toEqual([2]);
  });

  it("in a bucket ends the bucket alone; in a clone ends all", () => {
    const flows = ["actions=group:1,output:4", "table=1 actions=output:3,exit"];
    const group = "group_id=1,type=all,bucket=resubmit(,1),bucket=output:2";
    expect(route(flows, [group])).toEqual([3, 2, 4]);
    expect(route(["actions=clone(output:2,exit,output:3),output:4"])).toEqual([2]);
  });
});

describe("clone", () => {
  it("undoes what its list did to packet, registers and stack", () => {
    const flows = [
      "actions=load:1->NXM_NX_REG0[],push:NXM_NX_REG0[]," +
        "clone(pop:NXM_NX_REG1[],load:2->NXM_NX_REG0[],mod_dl_dst:02:00:00:00:00:99,output:2)," +
        "pop:NXM_NX_REG2[],goto_table:1",
      "table=1,reg0=1,reg1=0,reg2=1,dl_dst=02:00:00:00:00:02 actions=output:3",
    ];
    const fates = textLab(flows).send(udp(), 1);
    expect(ends(fates)).toEqual([2, 3]);
    expect(fates[1]!.bytes).toEqual(udp());
  });

  it("is made in the datapath if its list cannot be undone, and only then", () => {
    const actionsOf = (list: string) =>
      textLab([`ip actions=clone(${list}),output:3`]).pipeline.translate(keyOf(udp(), 1)).actions;
    expect([...actionsOf("ct(commit),output:2")].slice(0, 3)).toEqual([ODP.clone, 4, 1]);
    expect([...actionsOf("mod_nw_ttl:9,output:2")][0]).toBe(ODP.set);
    const lab = textLab([
      "ip actions=clone(ct(commit),dec_ttl,push_vlan:0x8100,output:2),output:3",
    ]);
    for (const round of [1, 2]) {
      const fates = lab.send(udp(), 1);
      expect(ends(fates), `round ${round}`).toEqual([2, 3]);
      expect(fates[1]!.bytes).toEqual(udp());
    }
  });
});

describe("the action set", () => {
  it("is executed at the end, in an order of its own, one of each kind", () => {
    const lab = textLab([
      "ip actions=write_actions(output:2,push_vlan:0x88a8,output:3,dec_ttl,push_vlan:0x8100)",
    ]);
    const [fate, ...others] = lab.send(udp({ ttl: 9 }), 1);
    expect(others).toEqual([]);
    expect(fate!.port).toBe(3);
    expect(fate!.bytes).toEqual(udp({ ttl: 8, tags: [{ tci: 0 }] }));
  });

  it("a group before an output; without both nothing happens; clear_actions empties it", () => {
    const group = "group_id=1,type=all,bucket=output:4";
    expect(route(["actions=write_actions(output:2,group:1)"], [group])).toEqual([4]);
    expect(route(["actions=write_actions(mod_dl_dst:02:00:00:00:00:99)"])).toEqual(["no-output"]);
    const cleared = [
      "actions=write_actions(output:2),goto_table:1",
      "table=1 actions=output:3,clear_actions",
    ];
    expect(route(cleared)).toEqual([3]);
  });

  it("actset_output can be matched", () => {
    const flows = [
      "actions=write_actions(output:2),goto_table:1",
      "table=1,actset_output=2 actions=output:3",
    ];
    expect(route(flows)).toEqual([3, 2]);
  });
});

describe("check_pkt_larger", () => {
  it("translates both cases, each packet meets its own; what follows belongs to both", () => {
    const lab = textLab([
      "actions=check_pkt_larger(100)->NXM_NX_REG0[0],mod_dl_dst:02:00:00:00:00:09,resubmit(,1)",
      "table=1,reg0=1 actions=output:2",
      "table=1,reg0=0 actions=output:3,output:4",
    ]);
    const small = udp({ payload: new Uint8Array(10) });
    const large = udp({ payload: new Uint8Array(200) });
    for (const round of [1, 2]) {
      expect(ends(lab.send(small, 1)), `round ${round}`).toEqual([3, 4]);
      expect(ends(lab.send(large, 1)), `round ${round}`).toEqual([2]);
    }
  });

  it("a case in which nothing is sent ends by name", () => {
    const lab = textLab([
      "actions=check_pkt_larger(100)->NXM_NX_REG0[0],resubmit(,1)",
      "table=1,reg0=1 actions=output:2",
    ]);
    expect(ends(lab.send(udp({ payload: new Uint8Array(10) }), 1))).toEqual(["no-output"]);
    expect(ends(lab.send(udp({ payload: new Uint8Array(200) }), 1))).toEqual([2]);
  });
});

describe("fragments", () => {
  it("have no ports in any table, and later ones no L4 at all", () => {
    const lab = textLab([
      "udp,tp_dst=2000 actions=output:2",
      "ip,nw_frag=first actions=output:3",
      "ip,nw_frag=later actions=output:4",
    ]);
    const fragment = (word: number) => {
      const bytes = udp();
      bytes[20] = word >>> 8;
      bytes[21] = word & 0xff;
      return bytes;
    };
    expect(ends(lab.send(fragment(0), 1))).toEqual([2]);
    expect(ends(lab.send(fragment(0x2000), 1))).toEqual([3]);
    expect(ends(lab.send(fragment(0x2005), 1))).toEqual([4]);
  });
});

describe("what a trace is told", () => {
  it("opens and closes every node once, also when the translation is given up", () => {
    const labs = [
      textLab(
        ["ip actions=group:1,clone(ct(commit,table=1)),write_actions(output:3)"],
        ["group_id=1,type=all,bucket=resubmit(,1),bucket=output:2"],
      ),
      textLab(["actions=resubmit(,0)"]),
    ];
    const opened = ["table", "bucket", "thaw", "actionSet"];
    for (const lab of labs) {
      const lines = told(lab).map((line) => line.split(":")[0]!);
      const opens = lines.filter((line) => opened.includes(line)).length;
      expect(lines.filter((line) => line === "leave")).toHaveLength(opens);
    }
    expect(told(labs[1]!).at(-1)).toBe("end: Recursion too deep");
  });
});
