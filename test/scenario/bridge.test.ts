// The switch of a scenario: VLANs of ports, mirrors, MAC table, from the text to the tables that
// the workers read, and the sentences for what cannot be.
import { describe, expect, it } from "vitest";
import { PacketpathError } from "../../src/base/errors.js";
import { PORT_FLAG, SWITCH_FLAG } from "../../src/pipeline/ports.js";
import { mirrorAt, sourceMirrors } from "../../src/pipeline/switching/mirrors.js";
import { configuredPorts, macTableOf } from "../../src/scenario/bridge/resolve.js";
import { parseScenario } from "../../src/scenario/parse.js";

function scenario(ports: readonly string[], bridge = ""): string {
  const lines = ports.map((rest, i) => `  - { name: p${i + 1}, kind: dummy${rest} }`);
  return ["name: vlans", "namespaces: [a]", "ports:", ...lines, bridge, ""].join("\n");
}

const parse = (text: string) => parseScenario(text, "x.yaml");

function problems(text: string): string {
  try {
    parse(text);
    return "";
  } catch (error) {
    const { message, others } = error as PacketpathError & { others?: readonly object[] };
    return `${message} ${JSON.stringify(others ?? [])}`;
  }
}

describe("the switch of a scenario", () => {
  it("gives the workers the VLANs and settings of ports that are not plugged in yet", () => {
    const parsed = parse(
      scenario([
        ", vlan: { tag: 5 }",
        ", vlan: { trunks: [5, 6] }, settings: [no-flood, protected]",
        ", vlan: { mode: native-untagged, tag: 7, trunks: [5] }",
        "",
      ]),
    );
    const ports = configuredPorts(parsed, 8);
    expect(ports.list()).toEqual([]);
    for (const number of [1, 2, 3, 4]) ports.add(number);
    expect([1, 2, 3, 4].map((number) => ports.vlanOf(number).mode)).toEqual([
      "access",
      "trunk",
      "native-untagged",
      "trunk",
    ]);
    expect([5, 6, 7].map((vlan) => ports.trunks(2, vlan))).toEqual([true, true, false]);
    expect([5, 6, 7].map((vlan) => ports.trunks(3, vlan))).toEqual([true, false, true]);
    expect(ports.flagsOf(2)).toBe(PORT_FLAG.noFlood | PORT_FLAG.protected);
    // Plugged in again: the settings stay, the port is another.
    const generation = ports.generationOf(1);
    ports.remove(1);
    ports.add(1);
    expect(ports.vlanOf(1).tag).toBe(5);
    expect(ports.generationOf(1)).not.toBe(generation);
  });

  it("gives the workers mirrors, flood VLANs and the MAC table's limits", () => {
    const bridge =
      "bridge: { macTableSize: 100, macAgingSeconds: 15, forwardBpdu: true, floodVlans: [9], " +
      "mirrors: [{ name: m, sources: [p1], outputPort: p2, snapLength: 100 }] }";
    const parsed = parse(scenario(["", ""], bridge));
    const ports = configuredPorts(parsed, 8);
    expect(sourceMirrors(ports, 1)).toBe(1);
    expect(mirrorAt(ports, 0)).toMatchObject({ outPort: 2, snapLength: 100, hasVlans: false });
    expect(ports.isFloodVlan(9)).toBe(true);
    expect(ports.switchFlags()).toBe(SWITCH_FLAG.forwardBpdu);
    const macs = macTableOf(parsed);
    expect([macs.maxEntries, macs.agingSeconds]).toEqual([100, 15]);
  });

  it.each([
    [", vlan: { mode: access }", "", 'mode "access" needs "tag"'],
    [", vlan: { mode: trunk, tag: 5 }", "", "a trunk has no tag"],
    [", vlan: { tag: 5, trunks: [6] }", "", "an access port carries one VLAN"],
    ["", "bridge: { mirrors: [{ name: m, selectAll: true }] }", 'either "outputPort" or'],
    ["", "bridge: { mirrors: [{ name: m, selectAll: true, outputPort: q }] }", 'no port "q"'],
    ["", "bridge: { mirrors: [{ name: m, outputVlan: 5 }] }", 'needs "selectAll"'],
  ])("refuses %s %s", (port, bridge, why) => {
    expect(problems(scenario([port], bridge))).toContain(why);
  });

  it("refuses a MAC table beyond Open vSwitch's limits", () => {
    expect(problems(scenario([""], "bridge: { macTableSize: 9 }"))).toContain("10");
    expect(problems(scenario([""], "bridge: { macAgingSeconds: 4000 }"))).toContain("3600");
  });
});
