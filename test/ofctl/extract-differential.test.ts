// Key extraction against the real miniflow_extract: `ovs-ofctl parse-pcap` prints the flow of each
// frame of a capture, without a daemon. Frames are built, then bytes of them are changed.
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { Random } from "../../src/base/random.js";
import { extractKey } from "../../src/flow/extract.js";
import { fieldFullMask, fieldOf, getFieldWords, type FieldId } from "../../src/flow/fields.js";
import { WORD, newKey } from "../../src/flow/key.js";
import { newMatch, setMatchField } from "../../src/flow/match.js";
import { formatMatch } from "../../src/ofctl/print/format-match.js";
import { buildArp } from "../../src/wire/arp.js";
import { buildEthernet } from "../../src/wire/ethernet.js";
import { buildIpv4 } from "../../src/wire/ipv4.js";
import { buildIpv6 } from "../../src/wire/ipv6.js";
import { buildIcmp, buildSctp, buildTcp, buildUdp } from "../../src/wire/transport.js";

const version = spawnSync("ovs-ofctl", ["--version"], { encoding: "utf8" }).stdout ?? "";
const missing = /\) 3\.1\./.test(version) ? "" : " (needs ovs-ofctl 3.1)";

const bytesOf = (random: Random, length: number): Uint8Array =>
  Uint8Array.from({ length }, () => random.below(256));

function transport(random: Random, protocol: number): Uint8Array {
  const ends = { source: random.below(65536), destination: random.below(65536) };
  const payload = bytesOf(random, random.below(9));
  if (protocol === 6) return buildTcp({ ...ends, flags: random.below(4096), payload });
  if (protocol === 17) return buildUdp({ ...ends, payload });
  if (protocol === 132) return buildSctp({ ...ends, payload });
  if (protocol !== 58) {
    return buildIcmp({
      type: random.below(256),
      code: random.below(256),
      rest: bytesOf(random, 8),
    });
  }
  const rest = bytesOf(random, 4 + 16 + 8 * random.below(3));
  const type = random.pick([128, 135, 136]);
  if (rest.length > 20) rest.set([type === 135 ? 1 : 2, 1], 20);
  if (rest.length > 28) rest.set([random.below(3), 1], 28);
  return buildIcmp({ type, rest });
}

function network(random: Random): { type: number; payload: Uint8Array } {
  const kind = random.below(10);
  if (kind === 0) {
    const mac = "02:00:00:00:00:0a";
    const fields = { operation: random.below(300), senderMac: mac, senderIp: 5, targetIp: 6 };
    return { type: random.pick([0x0806, 0x8035]), payload: buildArp(fields) };
  }
  if (kind === 1)
    return { type: random.pick([0x88cc, 4, 0x0600, 0x05ff]), payload: bytesOf(random, 30) };
  if (kind < 6) {
    const protocol = random.pick([6, 17, 132, 1, 47]);
    const payload = buildIpv4({
      source: "10.1.2.3",
      destination: "10.4.5.6",
      protocol,
      tos: random.below(256),
      ttl: random.below(256),
      fragment: random.pick([0, 0, 0, 0x4000, 0x2000, 0x2005, 7]),
      options: new Uint8Array(random.pick([0, 0, 4, 40])),
      payload: transport(random, protocol),
    });
    return { type: 0x0800, payload };
  }
  const protocol = random.pick([6, 17, 132, 58, 59]);
  const extension = new Uint8Array(random.pick([8, 16]));
  const nextHeader = random.pick([0, 43, 44, 51, 60]);
  extension[0] = protocol;
  extension[1] = nextHeader === 51 ? extension.length / 4 - 2 : extension.length / 8 - 1;
  if (nextHeader === 44) extension.set([random.pick([0, 1]), random.pick([0, 1, 8, 9])], 2);
  const payload = buildIpv6({
    source: "2001:db8::1",
    destination: "fe80::2",
    protocol,
    trafficClass: random.below(256),
    label: random.below(0x100000),
    hopLimit: random.below(256),
    payload: transport(random, protocol),
    ...(random.below(2) === 0 ? { extensions: { nextHeader, bytes: extension } } : {}),
  });
  return { type: 0x86dd, payload };
}

function randomFrame(random: Random): Uint8Array {
  const tags = Array.from({ length: random.pick([0, 0, 1, 1, 2, 3]) }, () => ({
    tpid: random.pick([0x8100, 0x8100, 0x88a8]),
    tci: random.below(65536),
  }));
  const frame = buildEthernet({ ...network(random), tags });
  const change = random.below(4);
  for (let i = 0; i < change; i++) {
    const at = 12 + random.below(frame.length - 12);
    frame[at] = random.below(2) === 0 ? random.below(256) : frame[at]! ^ (1 << random.below(8));
  }
  const cut = random.below(4) === 0 ? 14 + random.below(frame.length - 13) : frame.length;
  return random.below(8) === 0
    ? Uint8Array.from([...frame, ...bytesOf(random, 40)])
    : frame.slice(0, cut);
}

/** A classic pcap file of Ethernet frames. */
function pcap(frames: readonly Uint8Array[]): Uint8Array {
  const total = frames.reduce((sum, frame) => sum + 16 + frame.length, 24);
  const bytes = new Uint8Array(total);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, 0xa1b2c3d4, true);
  view.setUint16(4, 2, true);
  view.setUint16(6, 4, true);
  view.setUint32(16, 65535, true);
  view.setUint32(20, 1, true);
  let at = 24;
  for (const frame of frames) {
    view.setUint32(at + 8, frame.length, true);
    view.setUint32(at + 12, frame.length, true);
    bytes.set(frame, at + 16);
    at += 16 + frame.length;
  }
  return bytes;
}

function realFlows(frames: readonly Uint8Array[]): string[] {
  const folder = mkdtempSync(join(tmpdir(), "packetpath-pcap-"));
  try {
    const file = join(folder, "frames.pcap");
    writeFileSync(file, pcap(frames));
    const run = spawnSync("ovs-ofctl", ["-vconsole:off", "parse-pcap", file], { encoding: "utf8" });
    expect(run.status).toBe(0);
    return run.stdout.trimEnd().split("\n");
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const LINK: readonly FieldId[] = ["in_port", "eth_src", "eth_dst", "eth_type", "vlan_tci"];
const IP: readonly FieldId[] = ["nw_proto", "nw_tos", "nw_ecn", "nw_ttl", "ip_frag"];
const PORTS: readonly FieldId[] = ["tcp_src", "tcp_dst"];

/** The fields that a frame of this kind has, as flow_wildcards_init_for_packet lists them. */
function fieldsOf(key: Uint32Array): FieldId[] {
  const type = key[WORD.typeVlan]! >>> 16;
  const protocol = key[WORD.ip]! >>> 24;
  const isLater = (key[WORD.ip]! & 2) !== 0;
  if (type === 0x0806 || type === 0x8035) {
    return [...LINK, "arp_spa", "arp_tpa", "arp_op", "arp_sha", "arp_tha"];
  }
  if (type !== 0x0800 && type !== 0x86dd) return [...LINK];
  const addresses: FieldId[] =
    type === 0x0800 ? ["ip_src", "ip_dst"] : ["ipv6_src", "ipv6_dst", "ipv6_label"];
  const fields = [...LINK, ...addresses, ...IP];
  if (isLater) return fields;
  if (protocol === 6) return [...fields, ...PORTS, "tcp_flags"];
  if (protocol === 17 || protocol === 132) return [...fields, ...PORTS];
  if (protocol === 1 || protocol === 2) return [...fields, ...PORTS];
  if (type === 0x0800) return fields;
  if (protocol !== 58) return fields;
  const isNd = [135, 136].includes(key[WORD.ports]! >>> 16) && (key[WORD.ports]! & 0xffff) === 0;
  return isNd ? [...fields, ...PORTS, "nd_target", "nd_sll", "nd_tll"] : [...fields, ...PORTS];
}

function ourFlow(frame: Uint8Array): string {
  const key = newKey();
  expect(extractKey(frame, 0, frame.length, 0xffff, key)).toBe(0);
  const match = newMatch();
  for (const id of fieldsOf(key)) {
    const field = fieldOf(id);
    const value = new Uint32Array(field.words);
    getFieldWords(key, field, value);
    setMatchField(match, field, value, fieldFullMask(field));
  }
  return formatMatch(match);
}

it.skipIf(missing !== "").each([1, 2, 3, 4, 5])(
  `2000 frames, whole and broken, give the flows of Open vSwitch, seed %i${missing}`,
  (seed) => {
    const random = new Random(seed);
    const frames = Array.from({ length: 2000 }, () => randomFrame(random));
    const real = realFlows(frames).map((text) =>
      text.replace(/,(dl_vlan1=\d+,dl_vlan_pcp1=\d+|vlan_tci1=0x[0-9a-f]+)/, ""),
    );
    expect(real.length).toBe(frames.length);
    const wrong = frames
      .map((frame, i) => ({
        ours: ourFlow(frame),
        real: real[i],
        frame: Buffer.from(frame).toString("hex"),
      }))
      .filter((one) => one.ours !== one.real);
    expect(wrong.length === 0 ? [] : wrong.slice(0, 5)).toEqual([]);
  },
);
