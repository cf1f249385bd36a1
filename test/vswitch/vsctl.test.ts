// ovs-vsctl against the dummy switch: what is configured, what is refused and in which words. The
// sentences and layouts are those of Open vSwitch 3.1, seen in a run of the real one.
import { describe, expect, it } from "vitest";
import { tools } from "./tools.js";

describe("bridges and ports", () => {
  it("ports get the numbers they ask for, and the first free one otherwise", async () => {
    const { ok } = await tools([]);
    await ok("ovs-vsctl add-port br0 p7 -- set Interface p7 type=dummy ofport_request=2");
    await ok("ovs-vsctl add-port br0 a -- add-port br0 b -- add-port br0 c");
    expect(await ok("ovs-vsctl get Interface p7 ofport")).toBe("2\n");
    expect(await ok("ovs-vsctl get Interface a ofport -- get Interface c ofport")).toBe("1\n4\n");
    expect(await ok("ovs-vsctl list-ports br0")).toBe("a\nb\nc\np7\n");
    const shown = await ok("ovs-appctl dpif/show");
    expect(shown).toContain("    p7 2/7: (dummy)\n");
  });

  it("a line of commands happens whole or not at all", async () => {
    const { ok, refused } = await tools([1]);
    const line = "ovs-vsctl add-port br0 p5 -- set Port p5 tag=4 -- add-port br0 p1";
    expect(await refused(line)).toBe(
      "ovs-vsctl: cannot create a port named p1 because a port named p1 already exists on " +
        "bridge br0\n",
    );
    expect(await ok("ovs-vsctl list-ports br0")).toBe("p1\n");
    await ok("ovs-vsctl add-port br0 p5 tag=4");
    expect(await ok("ovs-vsctl get Port p5 tag -- get Port br0 tag")).toBe("4\n[]\n");
  });

  it("refuses what does not exist, or exists already, in the words of ovs-vsctl", async () => {
    const { refused, run, ok } = await tools([1]);
    expect(await refused("ovs-vsctl add-br p1")).toBe(
      "ovs-vsctl: cannot create a bridge named p1 because a port named p1 already exists on " +
        "bridge br0\n",
    );
    expect(await refused("ovs-vsctl del-br br9")).toBe("ovs-vsctl: no bridge named br9\n");
    expect(await refused("ovs-vsctl del-port p9")).toBe("ovs-vsctl: no port named p9\n");
    expect(await refused("ovs-vsctl iface-to-br p9")).toBe("ovs-vsctl: no interface named p9\n");
    expect(await run("ovs-vsctl br-exists br9")).toEqual({ exitCode: 2, stdout: "", stderr: "" });
    await ok("ovs-vsctl --if-exists del-port p9 -- --if-exists del-br br9");
    await ok("ovs-vsctl --may-exist add-br br0 -- --may-exist add-port br0 p1");
    expect(await refused("ovs-vsctl foo")).toBe(
      "ovs-vsctl: unknown command 'foo'; use --help for help\n",
    );
    expect(await refused("ovs-vsctl add-port br0")).toBe(
      "ovs-vsctl: 'add-port' command requires at least 2 arguments\n",
    );
  });

  it("show prints the tree, without what is as it always is", async () => {
    const { ok } = await tools([1]);
    await ok("ovs-vsctl set Port p1 trunks=3,1 -- set Interface p1 options:x='a b'");
    const [uuid, ...lines] = (await ok("ovs-vsctl show")).trimEnd().split("\n");
    expect(uuid).toMatch(/^[0-9a-f-]{36}$/);
    expect(lines).toEqual([
      "    Bridge br0",
      "        fail_mode: secure",
      "        datapath_type: dummy",
      "        Port br0",
      "            Interface br0",
      "                type: internal",
      "        Port p1",
      "            trunks: [1, 3]",
      "            Interface p1",
      "                type: dummy",
      '                options: {x="a b"}',
    ]);
  });
});

describe("rows and columns", () => {
  it("set, get, add, remove and clear", async () => {
    const { ok } = await tools([2]);
    await ok("ovs-vsctl set Bridge br0 other-config:mac-aging-time=20");
    expect(await ok("ovs-vsctl get Bridge br0 other-config")).toBe('{mac-aging-time="20"}\n');
    await ok("ovs-vsctl remove Bridge br0 other-config mac-aging-time");
    expect(await ok("ovs-vsctl get Bridge br0 other_config")).toBe("{}\n");
    await ok("ovs-vsctl set Port p2 trunks=1,2,3 vlan_mode=trunk");
    expect(await ok("ovs-vsctl get Port p2 trunks vlan_mode")).toBe("[1, 2, 3]\ntrunk\n");
    await ok("ovs-vsctl clear Port p2 trunks -- add Port p2 trunks 4 5 -- remove Port p2 trunks 4");
    expect(await ok("ovs-vsctl get Port p2 trunks tag")).toBe("[5]\n[]\n");
  });

  it("refuses values that a column cannot have, and names nobody has", async () => {
    const { refused, ok } = await tools([2]);
    const sentences: readonly (readonly [string, string])[] = [
      [
        "set Port p2 tag=5000",
        "constraint violation: 5000 is not in the valid range 0 to 4095 (inclusive)",
      ],
      ["set Port p2 tag=a", '"a" is not a valid integer or range'],
      [
        "set Port p2 vlan_mode=foo",
        "constraint violation: foo is not one of the allowed values ([access, dot1q-tunnel, " +
          "native-tagged, native-untagged, trunk])",
      ],
      ["get Interface p9 options", 'no row "p9" in table Interface'],
      ["get Foo p9 options", 'unknown table "Foo"'],
      ["get Interface p2 foo", 'Interface does not contain a column whose name matches "foo"'],
      ["get Interface p2 options:foo", 'no key "foo" in Interface record "p2" column options'],
      ["set Interface p2 type", 'type: argument does not end in "=" followed by a value.'],
    ];
    for (const [line, sentence] of sentences) {
      expect(await refused(`ovs-vsctl ${line}`)).toBe(`ovs-vsctl: ${sentence}\n`);
    }
    expect(await ok("ovs-vsctl --if-exists get Interface p2 options:foo")).toBe("\n");
  });

  it("rows can be named before they are made, and go when nothing leads to them", async () => {
    const { ok } = await tools([1, 2]);
    await ok(
      "ovs-vsctl -- set Bridge br0 mirrors=@m -- --id=@p get Port p2 -- --id=@m create Mirror " +
        "name=mm select-all=true output-port=@p",
    );
    expect(await ok("ovs-vsctl --columns=name,select_all list Mirror")).toBe(
      "name                : mm\nselect_all          : true\n",
    );
    await ok("ovs-vsctl clear Bridge br0 mirrors");
    expect(await ok("ovs-vsctl list Mirror")).toBe("");
  });

  it("list and find print tables, lists and CSV", async () => {
    const { ok } = await tools([1, 2]);
    const line = "--columns=name,ofport find Interface ofport=2";
    expect(await ok(`ovs-vsctl -f csv ${line}`)).toBe("name,ofport\np2,2\n");
    expect(await ok(`ovs-vsctl -f table ${line}`)).toBe("name ofport\n---- ------\np2   2\n");
    expect(await ok(`ovs-vsctl --bare ${line}`)).toBe("p2\n2\n");
  });
});
