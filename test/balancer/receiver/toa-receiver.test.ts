// The server's side: which segment's option counts, what an IPv6 socket sees, and that nothing is
// left in the table when connections are over.
import { describe, expect, it } from "vitest";
import { newReceiverMemory, ToaReceiver } from "../../../src/balancer/receiver/toa-receiver.js";
import { insertUoa, type UoaForm } from "../../../src/balancer/segment/uoa.js";
import { newSegment, openSegment, sealSegment } from "../../../src/balancer/segment/segment.js";
import { ipv4Text } from "../../../src/wire/ipv4.js";
import { newClientAddress } from "../../../src/wire/options/toa.js";
import {
  CLIENT_V4,
  CLIENT_V6,
  type FrameSpec,
  lay,
  SERVER_V4,
  SERVER_V6,
  v4,
  v6,
} from "../segment/frames.js";

const V4_OPTION = "fe08d431c633640a";
const V4_TEXT = "198.51.100.10:54321";
const V6_OPTION = "fe1401bb20010db800000000000000000000abcd";
const F = 0xffff_ffff;
const [FIN, SYN, RST, ACK] = [0x01, 0x02, 0x04, 0x10];

/** A server behind one receiver; the clock stands where it is put. */
class Server {
  readonly receiver: ToaReceiver;
  nowMs = 1_000_000;

  constructor(memory = newReceiverMemory(64, "dpvs")) {
    this.receiver = new ToaReceiver(memory);
  }

  gets(spec: FrameSpec): void {
    const laid = lay(spec);
    const before = laid.copy();
    this.receiver.toServer(laid.frame, laid.floor, this.nowMs);
    expect(Buffer.compare(laid.copy(), before)).toBe(0);
  }

  sends(spec: FrameSpec): void {
    this.receiver.fromServer(lay({ ...spec, isAnswer: true }).frame, this.nowMs);
  }

  /** SYN and SYN-ACK. */
  answers(spec: FrameSpec = {}): void {
    this.gets({ ...spec, flags: SYN });
    this.sends({ ...spec, flags: SYN | ACK, sequence: F - 1 });
  }

  opens(options: string, spec: FrameSpec = {}): void {
    this.answers(spec);
    this.gets({ ...spec, flags: ACK, acknowledgment: F, options });
  }

  /** `address:port` as a socket of this family shows the peer, or "-". */
  peer(
    version: 4 | 6 = 4,
    { port = 40000, socket = version, protocol = "tcp" as "tcp" | "udp" } = {},
  ) {
    const tuple = {
      protocol,
      peer: version === 4 ? v4(CLIENT_V4, port) : v6(CLIENT_V6, port),
      own: version === 4 ? v4(SERVER_V4, 80) : v6(SERVER_V6, 80),
    };
    const out = newClientAddress();
    if (!this.receiver.nameOf(tuple, socket, this.nowMs, out)) return "-";
    const words = [...out.words].map((word) => word.toString(16).padStart(8, "0")).join("");
    return version === 4 ? `${ipv4Text(out.words[3]!)}:${out.port}` : `[${words}]:${out.port}`;
  }
}

describe("the segment that completes the handshake", () => {
  it("tells the address; what comes later changes nothing", () => {
    const server = new Server();
    server.answers();
    expect(server.peer()).toBe("-");
    server.gets({ flags: ACK, acknowledgment: F, options: V4_OPTION });
    expect(server.peer()).toBe(V4_TEXT);
    server.gets({ flags: ACK, acknowledgment: F, options: "fe08000101020304", payload: 9 });
    server.gets({ flags: ACK, acknowledgment: 77, payload: 9 });
    expect(server.peer()).toBe(V4_TEXT);
    expect(server.receiver.counts()).toMatchObject({
      syn_recv_sock_toa: 1,
      syn_recv_sock_no_toa: 0,
      getname_toa_ok: 2,
      getname_toa_empty: 1,
      ip6_address_alloc: 1,
    });
  });

  it("a lost ACK is made good by the first data, also with a FIN", () => {
    const server = new Server();
    server.answers();
    server.gets({ flags: ACK | FIN, acknowledgment: F, options: V4_OPTION, payload: 100 });
    expect(server.peer()).toBe(V4_TEXT);
  });

  it.each([
    ["without an option", ""],
    ["an option in a list that ends before it", `00000000${V4_OPTION}`],
    ["an option behind one of length 0", `05000101${V4_OPTION}`],
    ["an option that is cut short", "0101fe08d431c633"],
    ["one of another size", "fe0cd431c633640a00000000"],
    ["the other dialect's", `fd14${V6_OPTION.slice(4)}`],
  ])("%s: no address, and none of a later segment", (_name, options) => {
    const server = new Server();
    server.opens(options);
    server.gets({ flags: ACK, acknowledgment: F, options: V4_OPTION, payload: 9 });
    expect(server.peer()).toBe("-");
    expect(server.receiver.counts()).toMatchObject({
      syn_recv_sock_no_toa: 1,
      getname_toa_empty: 1,
    });
  });

  it.each([
    ["a SYN", { flags: SYN | ACK, acknowledgment: F }],
    ["a segment without an acknowledgment", { flags: 0x08, acknowledgment: F }],
    ["another acknowledgment", { flags: ACK, acknowledgment: F - 1 }],
  ])("%s completes nothing", (_name, spec: FrameSpec) => {
    const server = new Server();
    server.answers();
    server.gets({ ...spec, options: V4_OPTION });
    expect(server.peer()).toBe("-");
    server.gets({ flags: ACK, acknowledgment: F, options: V4_OPTION });
    expect(server.peer()).toBe(V4_TEXT);
  });

  it("of a connection whose handshake was not seen nothing is known", () => {
    const server = new Server();
    server.gets({ flags: ACK, acknowledgment: F, options: V4_OPTION });
    expect(server.peer()).toBe("-");
    expect(server.receiver.counts()).toMatchObject({ getname_toa_bypass: 1, ip6_address_alloc: 0 });
  });

  it("a SYN-ACK that is sent again waits for another ACK (the accept queue was full)", () => {
    const server = new Server();
    server.opens("");
    server.sends({ flags: SYN | ACK, sequence: F - 1 });
    server.gets({ flags: ACK, acknowledgment: F, options: V4_OPTION, payload: 1 });
    expect(server.peer()).toBe(V4_TEXT);
    expect(server.receiver.counts().ip6_address_alloc).toBe(1);
  });
});

describe("a busy machine", () => {
  it("a SYN-ACK that is read after the ACK that it wants takes no address away", () => {
    const server = new Server();
    server.opens(V4_OPTION);
    server.sends({ flags: SYN | ACK, sequence: F - 1 });
    expect(server.peer()).toBe(V4_TEXT);
    expect(server.receiver.counts().syn_recv_sock_toa).toBe(1);
  });

  it("a SYN-ACK of another connection with the same addresses and ports does", () => {
    const server = new Server();
    server.opens(V4_OPTION);
    server.sends({ flags: SYN | ACK, sequence: 5 });
    expect(server.peer()).toBe("-");
  });
});

describe("shared memory", () => {
  it("one worker sees the answer, another the ACK, a third thread asks", () => {
    const memory = newReceiverMemory(8, "dpvs");
    const [answers, gets, asks] = [new Server(memory), new Server(memory), new Server(memory)];
    answers.sends({ flags: SYN | ACK, sequence: F - 1 });
    gets.gets({ flags: ACK, acknowledgment: F, options: V4_OPTION });
    expect(asks.peer()).toBe(V4_TEXT);
    expect(answers.receiver.counts()).toMatchObject({ syn_recv_sock_toa: 1, getname_toa_ok: 1 });
    answers.sends({ flags: RST });
    expect([gets.peer(), asks.peer()]).toEqual(["-", "-"]);
  });
});

describe("behaviour 12: IPv6", () => {
  it("an IPv4 option on an IPv6 socket is a v4-mapped address", () => {
    const server = new Server();
    server.opens(V4_OPTION, { version: 6 });
    expect(server.peer(6)).toBe("[00000000000000000000ffffc633640a]:54321");
  });

  it("an IPv6 option on an IPv6 socket", () => {
    const server = new Server();
    server.opens(V6_OPTION, { version: 6 });
    expect(server.peer(6)).toBe("[20010db800000000000000000000abcd]:443");
  });

  it("an IPv6 option on an IPv4 socket cannot be shown (NAT64 has a call of its own)", () => {
    const server = new Server();
    server.opens(V6_OPTION);
    expect(server.peer(4)).toBe("-");
    expect(server.receiver.counts().getname_toa_mismatch).toBe(1);
    expect(server.peer(4, { socket: 6 })).not.toBe("-");
  });

  it("behaviour 10: each dialect takes its own IPv6 option only", () => {
    const [byLength, byKind] = [new Server(), new Server(newReceiverMemory(9, "kind"))];
    for (const server of [byLength, byKind]) server.opens(V6_OPTION, { version: 6 });
    expect([byLength.peer(6), byKind.peer(6)]).toEqual([
      "[20010db800000000000000000000abcd]:443",
      "-",
    ]);
    const other = `fd${V6_OPTION.slice(2)}`;
    for (const server of [byLength, byKind]) server.opens(other, { version: 6, clientPort: 7 });
    const peers = [byLength, byKind].map((server) => server.peer(6, { port: 7 }));
    expect(peers).toEqual(["-", "[20010db800000000000000000000abcd]:443"]);
  });
});

describe("behaviour 15: the end of a connection", () => {
  const endings: [string, (server: Server) => void][] = [
    ["RST of the client", (server) => server.gets({ flags: RST })],
    ["RST of the server", (server) => server.sends({ flags: RST | ACK })],
    ["RST with SYN bits in it", (server) => server.sends({ flags: RST | SYN | ACK })],
    [
      "FIN of both",
      (server) => {
        server.gets({ flags: FIN | ACK });
        expect(server.peer()).toBe(V4_TEXT);
        server.sends({ flags: FIN | ACK });
      },
    ],
    [
      "FIN of the server first, twice",
      (server) => {
        server.sends({ flags: FIN | ACK });
        server.sends({ flags: FIN | ACK });
        expect(server.peer()).toBe(V4_TEXT);
        server.gets({ flags: FIN | ACK });
      },
    ],
  ];

  it.each(endings)("%s: forgotten, and its place is given back", (_name, end) => {
    const server = new Server(newReceiverMemory(1, "dpvs"));
    server.opens(V4_OPTION);
    end(server);
    expect(server.peer()).toBe("-");
    server.opens(V4_OPTION, { clientPort: 40001 });
    expect(server.peer(4, { port: 40001 })).toBe(V4_TEXT);
    server.receiver.clear();
    const { ip6_address_alloc, ip6_address_free, table_full } = server.receiver.counts();
    expect([ip6_address_alloc, ip6_address_free, table_full]).toEqual([2, 2, 0]);
  });

  it("handshakes that are never completed, and connections that are idle for a day", () => {
    const server = new Server(newReceiverMemory(1, "dpvs"));
    server.answers();
    server.nowMs += 65_000;
    server.opens(V4_OPTION, { clientPort: 40001 });
    expect(server.peer(4, { port: 40001 })).toBe(V4_TEXT);
    server.nowMs += 24 * 3600 * 1000 + 1000;
    expect(server.peer(4, { port: 40001 })).toBe("-");
  });

  it("a full table refuses the newcomer, says so, and keeps what it has", () => {
    const server = new Server(newReceiverMemory(3, "dpvs"));
    for (let i = 0; i < 5; i++) server.opens(V4_OPTION, { clientPort: 40000 + i });
    const peers = [0, 1, 2, 3, 4].map((i) => server.peer(4, { port: 40000 + i }));
    expect(peers).toEqual([V4_TEXT, V4_TEXT, V4_TEXT, "-", "-"]);
    expect(server.receiver.counts()).toMatchObject({ table_full: 2, getname_toa_bypass: 2 });
  });

  it("3000 connections through a table of 256: what is allocated is freed", () => {
    const server = new Server(newReceiverMemory(256, "dpvs"));
    for (let i = 0; i < 3000; i++) {
      const spec = { clientPort: 1024 + i };
      server.opens(V4_OPTION, spec);
      expect(server.peer(4, { port: 1024 + i })).toBe(V4_TEXT);
      if (i % 3 === 0) server.sends({ ...spec, flags: RST });
      else {
        server.gets({ ...spec, flags: FIN | ACK });
        server.sends({ ...spec, flags: FIN | ACK });
      }
    }
    server.receiver.clear();
    expect(server.receiver.counts()).toMatchObject({
      syn_recv_sock_toa: 3000,
      getname_toa_ok: 3000,
      ip6_address_alloc: 3000,
      ip6_address_free: 3000,
      table_full: 0,
    });
  });
});

describe("UDP", () => {
  function datagram(form: UoaForm, version: 4 | 6) {
    const laid = lay({ protocol: "udp", version, payload: 10 });
    const plain = lay({ protocol: "udp", version, payload: 10 }).copy();
    const segment = newSegment();
    openSegment(segment, laid.frame, laid.floor);
    const client = version === 4 ? v4("198.51.100.10", 54321) : v6("2001:db8::abcd", 443);
    expect(insertUoa(segment, client, form, 1500)).toBe(0);
    sealSegment(segment);
    return { laid, plain };
  }

  it.each([
    ["option", 4, V4_TEXT],
    ["protocol", 4, V4_TEXT],
    ["protocol", 6, "[20010db800000000000000000000abcd]:443"],
  ] as const)(
    "an address as %s over IPv%i, and the datagrams that follow",
    (form, version, text) => {
      const server = new Server();
      const { laid, plain } = datagram(form, version);
      server.receiver.toServer(laid.frame, laid.floor, server.nowMs);
      // Protocol 248 is taken out: the server gets the datagram as the client's side sent it.
      if (form === "protocol") expect(laid.copy()).toEqual(plain);
      expect(server.peer(version, { protocol: "udp" })).toBe(text);
      for (let i = 0; i < 3; i++) {
        server.nowMs += 299_000;
        server.gets({ protocol: "udp", version });
      }
      expect(server.peer(version, { protocol: "udp" })).toBe(text);
      server.nowMs += 301_000;
      expect(server.peer(version, { protocol: "udp" })).toBe("-");
      expect(server.receiver.counts()).toMatchObject({ uoa_got: 1, uoa_none: 3 });
      server.receiver.clear();
      expect(server.receiver.counts()).toMatchObject({ ip6_address_alloc: 1, ip6_address_free: 1 });
    },
  );
});
