// FullNAT on frames in memory: which segments tell the client's address, how sequence numbers, MSS
// and timestamps are changed, and that both ends see one consistent connection. The frames are
// read back by code of the test's own (reader.ts).
import { describe, expect, it } from "vitest";
import { Random } from "../../src/base/random.js";
import {
  ACK,
  CLIENT,
  CLIENT_MAC,
  CLIENT_PORT,
  config,
  type Ends,
  FIN,
  fromClient,
  Lab,
  LB_MAC,
  PSH,
  RST,
  server,
  SERVER_MACS,
  service,
  SYN,
  SYN_OPTIONS,
  tcp,
} from "./lab.js";
import { wordsOf } from "../../src/scenario/balancer/resolve.js";
import { type ReadFrame, readFrame } from "./reader.js";

const CLIENT_ISN = 1_000_000;
const SERVER_ISN = 7_000_000;
/** 10.0.1.7 port 40000. */
const TOA_V4 = [254, 8, 0x9c, 0x40, 10, 0, 1, 7];

/** A connection through the balancer, with what both ends would send. */
class Connection {
  readonly lab: Lab;
  readonly ends: Ends;
  /** As the server sees them. */
  syn!: ReadFrame;

  constructor(lab = new Lab(), ends: Ends = CLIENT) {
    this.lab = lab;
    this.ends = ends;
  }

  client(fields: Parameters<typeof fromClient>[0], worker = 0): ReadFrame {
    const { dropped, bytes } = this.lab.send(fromClient(fields, this.ends), worker);
    expect(dropped).toBeNull();
    return sound(bytes);
  }

  server(fields: Partial<Parameters<typeof tcp>[1]>, worker = 0): ReadFrame {
    const { from, to, ports } = this.syn;
    const back = { from: to, to: from, fromMac: this.syn.macs.to, toMac: LB_MAC };
    const own = { source: ports.to, destination: ports.from };
    const { dropped, bytes } = this.lab.send(tcp(back, { ...own, ...fields }), worker);
    expect(dropped).toBeNull();
    return sound(bytes);
  }

  /** Up to the server's SYN-ACK, as the client sees it. */
  open(worker = 0): ReadFrame {
    this.syn = this.client({ flags: SYN, sequence: CLIENT_ISN, options: SYN_OPTIONS });
    return this.server(
      {
        ...{ flags: SYN | ACK, sequence: SERVER_ISN, options: SYN_OPTIONS.slice(0, 4) },
        acknowledgment: this.syn.sequence + 1,
      },
      worker,
    );
  }
}

function sound(bytes: Uint8Array): ReadFrame {
  const frame = readFrame(bytes);
  expect(frame.faults).toEqual([]);
  return frame;
}

describe("the handshake", () => {
  it("goes to a server from a local address, with the balancer's MAC", () => {
    const connection = new Connection();
    connection.open();
    expect(connection.syn).toMatchObject({
      macs: { from: LB_MAC, to: SERVER_MACS[0] },
      ...{ from: "10.1.0.1", to: "10.1.0.11", ports: { from: 5000, to: 8080 } },
    });
  });

  it("loses its timestamps, and nothing else of its options", () => {
    const connection = new Connection();
    connection.open();
    const expected = [...SYN_OPTIONS];
    expected.fill(1, 6, 16);
    expect([...connection.syn.options]).toEqual(expected);
  });

  it("has another initial sequence number, which the client never sees", () => {
    const connection = new Connection();
    const answer = connection.open();
    expect(connection.syn.sequence).not.toBe(CLIENT_ISN);
    expect(answer).toMatchObject({
      ...{ sequence: SERVER_ISN, acknowledgment: CLIENT_ISN + 1, flags: SYN | ACK },
      ...{ from: "10.0.0.80", to: "10.0.1.7", ports: { from: 80, to: CLIENT_PORT } },
      macs: { from: LB_MAC, to: CLIENT_MAC },
    });
  });

  it("tells an IPv4 client to send 8 bytes less: MSS 1460 becomes 1452", () => {
    expect([...new Connection().open().options]).toEqual([2, 4, 0x05, 0xac]);
  });

  it("tells an IPv6 client to send 20 bytes less: MSS 1460 becomes 1440", () => {
    const lab = new Lab(config({ services: [ipv6Service()] }));
    const ends = { from: "fd00::7", to: "fd00::80" };
    expect([...new Connection(lab, ends).open().options]).toEqual([2, 4, 0x05, 0xa0]);
  });

  it("leaves the MSS alone when servers are told nothing", () => {
    const lab = new Lab(config({ services: [service({ toa: "off" })] }));
    const connection = new Connection(lab);
    expect([...connection.open().options]).toEqual([2, 4, 0x05, 0xb4]);
    const ack = { flags: ACK, sequence: CLIENT_ISN + 1, acknowledgment: SERVER_ISN + 1 };
    expect([...connection.client(ack).options]).toEqual([]);
  });
});

function ipv6Service(toa: "dpvs" | "kind" = "dpvs") {
  const servers = [server("fd01::11")];
  return service({ family: 6, address: wordsOf("fd00::80"), servers, toa });
}

describe("the client's address is in exactly these segments (behaviour 4)", () => {
  const data = Uint8Array.of(1, 2, 3, 4);
  const first = { sequence: CLIENT_ISN + 1, acknowledgment: SERVER_ISN + 1 };

  it("not in the SYN; in the handshake's ACK, in data, FIN and what is sent again", () => {
    const connection = new Connection();
    connection.open();
    expect([...connection.syn.options].indexOf(254)).toBe(-1);
    for (const fields of [
      { flags: ACK },
      { flags: ACK | PSH, payload: data },
      { flags: ACK | PSH, payload: data },
      { flags: ACK | FIN },
    ]) {
      const { options, payload } = connection.client({ ...first, ...fields });
      expect([...options]).toEqual(TOA_V4);
      expect(payload).toEqual(fields.payload ?? new Uint8Array(0));
    }
    expect(connection.lab.counts()).toMatchObject({ toaInserted: 4, untold: {} });
  });

  it("not in a RST, and not once the client has acknowledged data of the server", () => {
    const connection = new Connection();
    connection.open();
    const later = { ...first, acknowledgment: SERVER_ISN + 2, flags: ACK };
    expect([...connection.client(later).options]).toEqual([]);
    expect([...connection.client({ ...first, flags: RST | ACK }).options]).toEqual([]);
  });

  it("not in what the server sends", () => {
    const connection = new Connection();
    connection.open();
    const acknowledgment = connection.syn.sequence + 1;
    const sent = { flags: ACK, sequence: SERVER_ISN + 1, acknowledgment, payload: data };
    expect([...connection.server(sent).options]).toEqual([]);
  });

  it("the same bytes when the first data are sent again (behaviour 5)", () => {
    const connection = new Connection();
    connection.open();
    const segment = { ...first, flags: ACK | PSH, payload: data };
    expect(connection.client(segment)).toEqual(connection.client(segment));
  });

  it.each([
    ["dpvs", 254],
    ["kind", 253],
  ] as const)("IPv6, dialect %s: kind %i, 20 bytes", (toa, kind) => {
    const lab = new Lab(config({ services: [ipv6Service(toa)] }));
    const connection = new Connection(lab, { from: "fd00::7", to: "fd00::80" });
    connection.open();
    const address = [0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7];
    const { options } = connection.client({ ...first, flags: ACK });
    expect([...options]).toEqual([kind, 20, 0x9c, 0x40, ...address]);
  });

  it("one that the client wrote itself reaches no server", () => {
    const connection = new Connection();
    connection.open();
    const forged = Uint8Array.of(254, 8, 0, 80, 1, 2, 3, 4);
    const later = { ...first, acknowledgment: SERVER_ISN + 2, flags: ACK, options: forged };
    expect([...connection.client(later).options]).toEqual(new Array(8).fill(1));
    const now = [...connection.client({ ...first, flags: ACK, options: forged }).options];
    expect(now.slice(0, 8)).toEqual(TOA_V4);
    expect(now.slice(8)).not.toContain(254);
  });

  it("goes without, and is forwarded, when there is no room: the reason is counted", () => {
    const lab = new Lab();
    const connection = new Connection(lab);
    connection.open();
    const full = { ...first, flags: ACK | PSH, payload: new Uint8Array(1460) };
    expect([...connection.client(full).options]).toEqual([]);
    expect(lab.counts().untold).toEqual({ "needs-fragment": 1 });
  });
});

describe("one connection, whoever has the packet", () => {
  it("a reply that arrives at another worker is translated there", () => {
    const connection = new Connection(new Lab(config(), 2));
    expect(connection.open(1).acknowledgment).toBe(CLIENT_ISN + 1);
    const first = { flags: ACK, sequence: CLIENT_ISN + 1, acknowledgment: SERVER_ISN + 1 };
    expect([...connection.client(first, 0).options]).toEqual(TOA_V4);
    expect([...connection.client(first, 1).options]).toEqual(TOA_V4);
  });

  it("sequence numbers are shifted by a constant over the wrap, SACK too (behaviour 14)", () => {
    const seed = 20_240_601;
    const random = new Random(seed);
    const lab = new Lab();
    const connection = new Connection(lab);
    const isn = 0xffff_fff0;
    connection.syn = connection.client({ flags: SYN, sequence: isn });
    const delta = (connection.syn.sequence - isn) >>> 0;
    const plus = (value: number): number => (value + delta) % 2 ** 32;
    for (let sent = 0, i = 0; i < 200; i++, sent += random.below(1000)) {
      const sequence = (isn + 1 + sent) % 2 ** 32;
      const segment = connection.client({ flags: ACK, sequence, acknowledgment: 5 });
      expect(segment.sequence, `seed ${seed}`).toBe(plus(sequence));
      const edges = [sequence, (sequence + 100) % 2 ** 32];
      const options = new Uint8Array(12);
      options.set([1, 1, 5, 10]);
      edges.forEach((edge, n) => new DataView(options.buffer).setUint32(4 + 4 * n, plus(edge)));
      const answer = connection.server({ acknowledgment: plus(sequence), options });
      expect(answer.acknowledgment, `seed ${seed}`).toBe(sequence);
      const shown = new DataView(answer.options.buffer, answer.options.byteOffset);
      expect([shown.getUint32(4), shown.getUint32(8)], `seed ${seed}`).toEqual(edges);
    }
  });

  it("a server that refuses is heard: the RST acknowledges the client's own SYN", () => {
    const connection = new Connection();
    connection.syn = connection.client({ flags: SYN, sequence: CLIENT_ISN });
    const acknowledgment = connection.syn.sequence + 1;
    const answer = connection.server({ flags: RST | ACK, sequence: 0, acknowledgment });
    expect(answer).toMatchObject({ acknowledgment: CLIENT_ISN + 1, flags: RST | ACK });
  });
});
