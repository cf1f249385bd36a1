// The load balancer with real sockets on both ends, in namespaces of their own: which segments tell
// the client's address, byte for byte, by tcpdump in the server's namespace and tshark; a loss;
// UDP; options that no kernel would send; and the scenario with 200 addresses.
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { eventually } from "../../../src/base/eventually.js";
import { NEEDS_ROOT, needsRoot } from "../../host/linux-support.js";
import { has, inNamespace, runJson } from "../program.js";
import { begin, beside, CLIENT, Dump, fetch, testFolder } from "./topology.js";

const PROGRAMS = ["ip", "curl", "tcpdump", "tshark"];
const missing = PROGRAMS.filter((program) => !has(program));
const cannot = NEEDS_ROOT || missing.length > 0;
const needs = NEEDS_ROOT ? needsRoot : cannot ? ` (needs ${missing.join(", ")})` : "";

const folder = testFolder();

/** Port 40000 of 10.0.1.7 and of fd00::7, as options. */
const V4 = "fe089c400a000107";
const V6 = `fe149c40fd00${"0".repeat(26)}07`;

interface Segment {
  readonly flags: number;
  readonly acknowledgment: number;
  readonly options: string;
  readonly bytes: number;
}

function segments(dump: Dump, filter: string): Segment[] {
  const fields = ["tcp.flags", "tcp.ack_raw", "tcp.options", "tcp.len"];
  return dump.packets(filter, ...fields).map(([flags, ack, options, length]) => ({
    flags: Number(flags),
    acknowledgment: Number(ack),
    options: options ?? "",
    bytes: Number(length),
  }));
}

describe.skipIf(cannot)(`FullNAT to an unmodified server${needs}`, () => {
  it.each([
    ["IPv4", "10.0.1.7", "http://10.0.0.80/", V4, "1452"],
    // An IPv6 server's MSS is 1440 to begin with.
    ["IPv6", "fd00::7", "http://[fd00::80]/", V6, "1420"],
  ])("%s: exactly the segments that acknowledge the SYN-ACK tell the address", async (...row) => {
    const [, from, url, option, mss] = row;
    await begin(folder.path);
    const atServer = await Dump.begin(folder.path, "web1", "tcp port 8080");
    const atClient = await Dump.begin(folder.path, "clients", "tcp port 80");
    expect(fetch(from, 40_000, url)).toMatch(/^hello (::ffff:10.1.0.1|fd01::1)$/);
    await atServer.endWith("tcp.flags.fin == 1", 2);
    await atClient.endWith("tcp.flags.fin == 1", 2);
    const [[first]] = atServer.packets("tcp.flags == 0x12", "tcp.seq_raw") as [[string]];
    const complete = (Number(first) + 1) % 2 ** 32;
    const sent = segments(atServer, "tcp.dstport == 8080");
    const telling = sent.filter(({ options }) => options !== "" && options === option);
    const wanted = sent.filter(
      ({ flags, acknowledgment }) => (flags & 6) === 0 && acknowledgment === complete,
    );
    expect(telling).toEqual(wanted);
    expect(telling.length).toBeGreaterThanOrEqual(2);
    // The others have none: neither the SYN nor anything after the server's data.
    const rest = sent.filter((segment) => !telling.includes(segment));
    for (const { options } of rest) expect(options).not.toContain(option.slice(0, 4));
    expect(rest.length).toBeGreaterThanOrEqual(2);
    // No timestamps towards the server, though the client offers them; MSS less the option.
    const stamps = "tcp.options.timestamp.tsval";
    expect(atClient.packets(`tcp.flags == 0x2 && ${stamps}`, stamps)).toHaveLength(1);
    expect(atServer.packets(stamps, stamps)).toEqual([]);
    const answered = atClient.packets("tcp.flags == 0x12", "tcp.options.mss_val");
    expect(answered).toEqual([[mss]]);
  });

  it("the first data, sent again after a loss, tell the same (behaviour 5)", async () => {
    const { tool } = await begin(folder.path);
    const dump = await Dump.begin(folder.path, "web1", "tcp port 8080");
    const client = beside("clients", process.execPath, "-e", CLIENT);
    await client.says("connected");
    // What the server answers is lost for a while, so the client sends again.
    tool("ovs-ofctl", "add-flow", "br0", "priority=9,tcp,in_port=2,actions=drop");
    client.child.stdin!.write("go");
    const data = (): Segment[] =>
      segments(dump, "tcp.dstport == 8080").filter(({ bytes }) => bytes > 0);
    const options = { timeoutMs: 60_000, everyMs: 200 };
    await eventually("the data twice", () => data().length >= 2, options);
    tool("ovs-ofctl", "--strict", "del-flows", "br0", "priority=9,tcp,in_port=2");
    await client.says("200 OK");
    await dump.end();
    for (const { options: sent } of data()) expect(sent).toBe(V4);
  });

  it("NAT: the server sees the client, and answers through the balancer", async () => {
    await begin(folder.path);
    expect(fetch("10.0.1.7", 40_000, "http://10.0.0.81/")).toBe("hello ::ffff:10.0.1.7");
  });

  it("direct routing: the server has the virtual address, and its answers pass by", async () => {
    const { tool } = await begin(folder.path);
    // Or the server would answer for the address itself.
    const quiet = ["arp_ignore=1", "arp_announce=2"].map((set) => `net.ipv4.conf.all.${set}`);
    inNamespace("direct", "sysctl", "-q", "-w", ...quiet);
    inNamespace("direct", "ip", "addr", "add", "10.0.0.82/32", "dev", "lo");
    expect(fetch("10.0.1.7", 40_000, "http://10.0.0.82:8080/")).toBe("hello ::ffff:10.0.1.7");
    const shown = tool("ovs-appctl", "balancer/show");
    expect(shown).toContain("toClient 0\n");
    expect(shown).toMatch(/toServer [1-9]/);
  });

  it("UDP: the first three datagrams; the server's side knows the client, IPv6 too", async () => {
    const { tool } = await begin(folder.path);
    const dump = await Dump.begin(folder.path, "web1", "udp port 7007");
    for (const [type, from, to] of [
      ["udp4", "10.0.1.7", "10.0.0.80"],
      ["udp6", "fd00::7", "fd00::80"],
    ] as const) {
      expect(inNamespace("clients", process.execPath, "-e", echo(type, from, to))).toBe("5\n");
    }
    await dump.endWith("udp.dstport == 7007", 10);
    const lengths = dump.packets("ip && udp.dstport == 7007", "ip.hdr_len").flat();
    expect(lengths).toEqual(["28", "28", "28", "20", "20"]);
    const ipv6 = dump.packets("ipv6 && udp.dstport == 7007", "ipv6.nxt").flat();
    expect(ipv6).toEqual(["17", "17", "17", "17", "17"]);
    const { clients } = JSON.parse(tool("ovs-appctl", "balancer/clients", "--json")) as {
      clients: { own: string; client: string }[];
    };
    expect(clients.map(({ own, client }) => `${own} ${client}`).sort()).toEqual([
      "10.1.0.11:7007 10.0.1.7:40001",
      "[fd01::11]:7007 [fd00::7]:40001",
    ]);
    const shown = tool("ovs-appctl", "balancer/show");
    expect(shown).toContain("uoaInserted 6");
    expect(shown).toContain("uoa_got 6");
    expect(tool("ovs-appctl", "balancer/connections")).toContain(
      "udp 10.0.1.7:40001 > 10.0.0.80:7",
    );
  });

  it("options that no kernel sends: the connection is forwarded (behaviour 11)", async () => {
    const { tool } = await begin(folder.path);
    const script = fileURLToPath(new URL("./malformed-client.mjs", import.meta.url));
    const said = inNamespace("clients", process.execPath, script, ...MALFORMED);
    expect(said.trim().split("\n")).toEqual(MALFORMED.map((hex) => `${hex} ok`));
    const learned = tool("ovs-appctl", "balancer/show");
    expect(learned).toContain(`connections ${MALFORMED.length}\n`);
  });
});

/** Five datagrams, each sent when the one before has come back. */
function echo(type: string, from: string, to: string): string {
  return `
const socket = require("node:dgram").createSocket("${type}");
let back = 0;
const end = () => (console.log(back), socket.close());
const next = () => (back < 5 ? socket.send("x" + back, 7, "${to}") : end());
socket.on("message", (message) => { if (String(message) === "x" + back++) next(); });
socket.bind(40001, "${from}", next);`;
}

/**
 * Option lists that are wrong, or only strange; each a multiple of four bytes. A signature (kind
 * 19) is not among them: a server without the key throws such segments away itself.
 */
const MALFORMED = [
  "fe000101",
  "fe010101",
  "fe280101",
  "01010105",
  "0101fe08",
  "08000101",
  "ff02ff02",
  "fe08d43101010101",
  "fd08d431c000020a",
  "fe08f989c000020a",
  "fe08d431c000020a".repeat(5),
  "01".repeat(40),
  "00".repeat(40),
  "0502050205020502",
  "050a000000010000000201fe",
  "fe14d43120010db8000000000000000000000010",
];

describe.skipIf(NEEDS_ROOT)(`scenarios/toa-fullnat.yaml${needsRoot}`, () => {
  const size = ["load.http.requests=300", "load.http.concurrency=50"];
  const small = [...size, "load.http.timeoutMs=60000"];
  const kind = [0, 1].map((i) => `balancer.services[${i}].toa=kind`);
  const ipv6 = ["load.http.to=web6"];

  it.each([
    ["IPv4, dpvs", []],
    ["IPv4, kind", kind],
    ["IPv6, dpvs", ipv6],
    ["IPv6, kind", [...ipv6, ...kind]],
    ["by the client's address", ["balancer.services[0].scheduler=hash"]],
  ])("%s: each request comes with its client's own address", async (_name, set) => {
    const ran = await runJson({
      ...{ scenario: "toa-fullnat", backend: "linux", out: `${folder.path}/safe` },
      set: [...small, ...set],
    });
    const { report } = ran;
    expect(`${report.verdict}: ${report.why}`).toMatch(/^SAFE: /);
    expect(ran.code).toBe(0);
    const { balancer, requests, frames } = report;
    expect(requests).toMatchObject({ sent: 300, ok: 300, failed: {} });
    expect(frames.balanced).toBe(true);
    expect(balancer!.clients).toEqual({ asked: 300, same: 300, different: 0 });
    expect(balancer!.connections).toEqual({ added: 300, removed: 300, left: 0 });
    expect(balancer!.untold).toEqual({});
    const [receiver] = balancer!.receivers;
    expect(receiver).toMatchObject({ getname_toa_ok: 300, syn_recv_sock_no_toa: 0 });
    expect(receiver!["ip6_address_alloc"]).toBe(receiver!["ip6_address_free"]);
  });

  it("without the option no server knows its client: ASSERT, exit code 1", async () => {
    const ran = await runJson({
      ...{ scenario: "toa-fullnat", backend: "linux", out: `${folder.path}/assert` },
      set: [...small, "balancer.services[0].toa=off"],
    });
    expect(ran.report.verdict).toBe("ASSERT");
    expect(ran.report.balancer!.clients).toEqual({ asked: 300, same: 0, different: 300 });
    expect(ran.code).toBe(1);
  });

  it("on the memory backend it is refused by name", async () => {
    const out = `${folder.path}/memory`;
    const ran = runJson({ scenario: "toa-fullnat", backend: "memory", out });
    await expect(ran).rejects.toThrow(/exit 3, .*sockets of the kernel/s);
  });
});
