// Flow text: what is printed is read back, dumps look as Open vSwitch's do, lists keep places.
import { describe, expect, it } from "vitest";
import { Random } from "../../src/base/random.js";
import { PacketpathError } from "../../src/base/errors.js";
import { fieldByName, getField } from "../../src/flow/fields.js";
import type { Action } from "../../src/flow/types.js";
import { formatActions } from "../../src/ofctl/print/format-actions.js";
import { formatMatch } from "../../src/ofctl/print/format-match.js";
import { formatDumpFlows } from "../../src/ofctl/dump-flows.js";
import { formatFlow, formatFlowMod } from "../../src/ofctl/format.js";
import { checkFlows, parseFlow, parseFlowMod, parseFlows } from "../../src/ofctl/parse.js";
import { randomFlowText } from "./generate.js";

const again = (text: string): string => formatFlow(parseFlow(text));

describe("parse and print", () => {
  it("parse(format(flow)) = flow, on 3000 random flows", () => {
    const random = new Random(99);
    for (let i = 0; i < 3000; i++) {
      // Once through the printer first: it splits masks into loads and names protocols.
      const canonical = parseFlow(again(randomFlowText(random)));
      expect(parseFlow(formatFlow(canonical))).toEqual(canonical);
      expect(again(formatFlow(canonical))).toBe(formatFlow(canonical));
    }
  });

  it("no bit of a value lies outside its mask", () => {
    const random = new Random(7);
    for (let i = 0; i < 2000; i++) {
      const { match } = parseFlow(randomFlowText(random));
      expect(match.value.some((word, w) => (word & ~match.mask[w]!) !== 0)).toBe(false);
    }
  });

  it("any byte put into or taken out of a flow text gives a flow or a placed error", () => {
    const random = new Random(5);
    const alphabet = "0129afx,.:=/()[]->+|# *\"'\t\u00e9";
    let refused = 0;
    for (let i = 0; i < 4000; i++) {
      const text = randomFlowText(random);
      const at = random.below(text.length);
      const cut = random.below(2);
      const mutant =
        text.slice(0, at) + alphabet[random.below(alphabet.length)]! + text.slice(at + cut);
      try {
        const flow = parseFlow(mutant);
        expect(formatFlow(parseFlow(formatFlow(flow)))).toBe(formatFlow(flow));
      } catch (error) {
        if (!(error instanceof PacketpathError)) throw new Error(mutant, { cause: error });
        expect(error.code).toBe("FLOW_INVALID");
        expect(error.place?.column).toBeGreaterThanOrEqual(1);
        expect(error.place?.column).toBeLessThanOrEqual(mutant.length + 1);
        refused++;
      }
    }
    expect(refused).toBeGreaterThan(500);
  });

  it.each([
    ["vlan_tci=0 actions=drop", "vlan_tci=0x0000 actions=drop"],
    ["dl_vlan=0xffff actions=drop", "vlan_tci=0x0000 actions=drop"],
    ["vlan_tci=0x1005/0x1fff actions=drop", "dl_vlan=5 actions=drop"],
    ["vlan_tci=0x7000/0xf000 actions=drop", "dl_vlan_pcp=3 actions=drop"],
    ["vlan_tci=0x1000/0x1000 actions=drop", "vlan_tci=0x1000/0x1000 actions=drop"],
    ["vlan_tci=0/0x1000 actions=drop", "vlan_tci=0x0000/0x1000 actions=drop"],
    ["vlan_vid=4101,vlan_pcp=3 actions=drop", "dl_vlan=5,dl_vlan_pcp=3 actions=drop"],
    ["tp_dst=80 actions=drop", "actions=drop"],
    ["add tcp,tp_dst=80 actions=1", "tcp,tp_dst=80 actions=output:1"],
    ["tcp,tp_dst=80,actions=1", "tcp,tp_dst=80 actions=output:1"],
    ["table=3 actions=goto_table:7", "table=3, actions=resubmit(,7)"],
    ["ip,nw_src=300.1.1.1 actions=drop", "ip,nw_src=44.1.1.1 actions=drop"],
    ["nw_ecn=1,nw_tos=7,ip actions=drop", "ip,nw_tos=4,nw_ecn=1 actions=drop"],
    ["actions=mod_vlan_vid:5,set_field:4101->vlan_vid", "actions=mod_vlan_vid:5,mod_vlan_vid:5"],
    [
      "actions=push_vlan:0x8100,set_field:4101->vlan_vid",
      "actions=push_vlan:0x8100,set_field:4101->vlan_vid",
    ],
    ["arp,arp_op=1 actions=load:2->arp_op", "arp,arp_op=1 actions=load:0x2->NXM_OF_ARP_OP[]"],
    ["actions=note:", "actions=note:00.00.00.00.00.00"],
    ["actions=set_field:5/5->reg0", "actions=load:0x1->NXM_NX_REG0[0],load:0x1->NXM_NX_REG0[2]"],
  ])("%s becomes %s", (text, canonical) => {
    expect(again(text)).toBe(canonical);
    expect(again(canonical)).toBe(canonical);
  });

  it("a masked set_field of a field with an OpenFlow 1.0 action loses its mask there", () => {
    const text = "actions=set_field:00:01:02:00:00:00/ff:ff:ff:00:00:00->eth_src";
    expect(again(text)).toBe("actions=mod_dl_src:00:01:02:00:00:00");
  });
});

describe("port names", () => {
  const ports = new Map([
    ["client", 1],
    ["1port", 2],
    ["in_port", 9],
  ]);
  const portNames = new Map([...ports].map(([name, port]) => [port, name]));
  it("are looked up in matches and actions, and printed back", () => {
    const text = 'in_port=client actions=output:"1port",client,resubmit(client,1)';
    const { mod } = parseFlowMod(text, "add", { ports });
    expect(mod.actions[0]).toEqual({ type: "output", port: 2 });
    expect(formatFlowMod(mod, { portNames })).toBe(
      'ADD in_port=client actions=output:"1port",output:client,resubmit(client,1)',
    );
  });
  it("an interface called like a reserved port wins over it only by its exact name", () => {
    const flow = parseFlow("actions=output:in_port,output:IN_PORT", { ports });
    expect(flow.actions).toEqual([
      { type: "output", port: 9 },
      { type: "output", port: 0xfff8 },
    ]);
  });
});

describe("dump-flows", () => {
  it("a line as Open vSwitch 3.1.0 printed it", () => {
    const flow = parseFlow(
      "priority=10,tcp,nw_dst=10.1.0.0/16,tp_dst=80 actions=mod_vlan_vid:5,dec_ttl,output:2",
    );
    const stats = {
      durationSeconds: 0.033,
      packets: 1,
      bytes: 118,
      idleAgeSeconds: 0,
      hardAgeSeconds: 0,
    };
    expect(formatDumpFlows([{ flow, stats }])).toBe(
      "NXST_FLOW reply (xid=0x4):\n" +
        " cookie=0x0, duration=0.033s, table=0, n_packets=1, n_bytes=118, idle_age=0, " +
        "priority=10,tcp,nw_dst=10.1.0.0/16,tp_dst=80 actions=mod_vlan_vid:5,dec_ttl,output:2\n",
    );
  });
  it("a dumped line is read back as the same flow", () => {
    const flow = parseFlow(
      "table=3,cookie=0xabc,idle_timeout=9,hard_timeout=8,send_flow_rem,importance=2,reg0=5 " +
        "actions=1",
    );
    const stats = {
      durationSeconds: 77.5,
      packets: 12,
      bytes: 900,
      idleAgeSeconds: 3,
      hardAgeSeconds: 70,
    };
    const line = formatDumpFlows([{ flow, stats }]).split("\n")[1]!;
    expect(line).toContain(" send_flow_rem importance=2, reg0=0x5 actions=");
    expect(parseFlow(line)).toEqual(flow);
    // OpenFlow 1.0 has no words for flags and importance, but for ages.
    const oldLine = formatDumpFlows([{ flow, stats }], { version: 10 }).split("\n")[1]!;
    expect(oldLine).toContain("hard_timeout=8, idle_age=3, hard_age=70, reg0=0x5 actions=");
    expect(parseFlow(oldLine)).toEqual({ ...flow, flags: [], importance: 0 });
  });
});

describe("flow files", () => {
  const text = [
    "# a comment",
    "",
    "in_port=1 actions=2   # to the server",
    "  tp_dst=80 actions=1",
    "foo=1 actions=2",
    "actions=output:nowhere",
  ].join("\n");
  it("every mistake is reported with its line and column, warnings too", () => {
    expect(checkFlows(text, "a.flows")).toEqual([
      {
        severity: "warning",
        file: "a.flows",
        line: 4,
        column: 3,
        message: expect.stringContaining("tp_dst is ignored"),
      },
      { severity: "error", file: "a.flows", line: 5, column: 1, message: "unknown keyword foo" },
      {
        severity: "error",
        file: "a.flows",
        line: 6,
        column: 16,
        message: "nowhere: output to unknown port",
      },
    ]);
  });
  it("the first mistake is thrown as file:line:column", () => {
    const run = (): unknown => parseFlows(text, { file: "a.flows" });
    expect(run).toThrow(PacketpathError);
    expect(String(catchError(run))).toBe("a.flows:5:1: error: unknown keyword foo");
  });
  it("a text inside a larger file reports the larger file's places", () => {
    const run = (): unknown =>
      parseFlows("\nfoo actions=1", { file: "s.yaml", line: 10, columnOffset: 4 });
    expect(String(catchError(run))).toBe("s.yaml:11:5: error: field foo missing value");
  });
  it("good lines become flows in order", () => {
    const flows = parseFlows("table=1 actions=1\r\n\n# x\nadd table=2 actions=2\n");
    expect(flows.map((flow) => flow.table)).toEqual([1, 2]);
  });
});

function catchError(run: () => unknown): unknown {
  try {
    run();
  } catch (error) {
    return error;
  }
  return null;
}

describe("meaning", () => {
  const actionsOf = (text: string): readonly Action[] => parseFlow(text).actions;
  it("drop, no actions and an empty list are the same", () => {
    for (const text of ["actions=drop", "actions=", "action=drop"])
      expect(actionsOf(text)).toEqual([]);
    expect(formatActions([])).toBe("drop");
  });
  it("set-field values and masks are words of the field", () => {
    expect(actionsOf("actions=load:5->reg0[4..7]")).toEqual([
      {
        type: "set-field",
        field: "reg0",
        value: Uint32Array.of(0x50),
        mask: Uint32Array.of(0xf0),
        spelling: "load",
      },
    ]);
    expect(actionsOf("actions=mod_vlan_vid:5")).toEqual([
      {
        type: "set-field",
        field: "dl_vlan",
        value: Uint32Array.of(5),
        mask: Uint32Array.of(0xfff),
        spelling: "mod",
      },
    ]);
    expect(actionsOf("actions=set_field:02:00:00:00:00:01->eth_dst")).toEqual([
      {
        type: "set-field",
        field: "eth_dst",
        value: Uint32Array.of(0x0200, 1),
        mask: Uint32Array.of(0xffff, 0xffffffff),
        spelling: "set_field",
      },
    ]);
  });
  it("a match sets its bits in the key's layout", () => {
    const { match } = parseFlow("tcp,tp_dst=80,dl_vlan=5,in_port=3 actions=1");
    const value = (name: string): number => getField(match.value, fieldByName(name)!);
    const mask = (name: string): number => getField(match.mask, fieldByName(name)!);
    expect([value("dl_type"), value("nw_proto"), value("tcp_dst"), value("in_port")]).toEqual([
      0x0800, 6, 80, 3,
    ]);
    expect([value("vlan_tci"), mask("vlan_tci")]).toEqual([0x1005, 0x1fff]);
    expect(formatMatch(match)).toBe("tcp,in_port=3,dl_vlan=5,tp_dst=80");
  });
});
