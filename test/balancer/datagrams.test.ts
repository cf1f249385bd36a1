// UDP through the balancer: the client's address goes with the first three datagrams of a flow, in
// the packet or, where there is no room, in an empty datagram ahead of it.
import { describe, expect, it } from "vitest";
import { wordsOf } from "../../src/scenario/balancer/resolve.js";
import { CLIENT, CLIENT_MAC, config, type Ends, Lab, LB_MAC, server, service, udp } from "./lab.js";
import { readFrame } from "./reader.js";

/** 10.0.1.7 port 40000 as an IPv4 option. */
const UOA_V4 = [31, 8, 0x9c, 0x40, 10, 0, 1, 7];
const dns = service({ name: "dns", port: 53, protocol: "udp" });

function datagram(payload: Uint8Array, ends: Ends = CLIENT): Uint8Array {
  return udp(ends, { source: 40_000, destination: 53, payload });
}

const data = Uint8Array.of(1, 2, 3);

describe("UDP, FullNAT", () => {
  it("the first three datagrams carry the address, later ones do not", () => {
    const lab = new Lab(config({ services: [dns] }));
    const seen = [1, 2, 3, 4, 5].map(() => readFrame(lab.send(datagram(data)).bytes));
    for (const frame of seen) {
      expect(frame).toMatchObject({ from: "10.1.0.1", to: "10.1.0.11", payload: data, faults: [] });
    }
    const none: number[] = [];
    expect(seen.map(({ options }) => [...options])).toEqual([UOA_V4, UOA_V4, UOA_V4, none, none]);
    expect(lab.counts()).toMatchObject({ uoaInserted: 3, connections: 1 });
  });

  it("the answer comes from the virtual address", () => {
    const lab = new Lab(config({ services: [dns] }));
    const { ports } = readFrame(lab.send(datagram(data)).bytes);
    const back = { from: "10.1.0.11", to: "10.1.0.1" };
    const reply = udp(back, { source: 8080, destination: ports.from, payload: data });
    expect(readFrame(lab.send(reply).bytes)).toMatchObject({
      ...{ from: "10.0.0.80", to: "10.0.1.7", ports: { from: 53, to: 40_000 } },
      ...{ macs: { from: LB_MAC, to: CLIENT_MAC }, payload: data, faults: [] },
    });
  });

  it("a datagram of the MTU's length has an empty one ahead of it, with the address", () => {
    const lab = new Lab(config({ services: [dns] }));
    const full = new Uint8Array(1472).fill(9);
    const { bytes, ahead } = lab.send(datagram(full));
    expect(readFrame(bytes)).toMatchObject({ options: new Uint8Array(0), payload: full });
    const { ports } = readFrame(bytes);
    expect(readFrame(ahead!)).toMatchObject({
      ...{ from: "10.1.0.1", to: "10.1.0.11", ports, payload: new Uint8Array(0), faults: [] },
      options: Uint8Array.from(UOA_V4),
    });
    expect(lab.send(datagram(data)).ahead).toBeNull();
  });

  it("toa: off tells nobody anything", () => {
    const lab = new Lab(config({ services: [{ ...dns, toa: "off" }] }));
    expect(readFrame(lab.send(datagram(data)).bytes).options).toHaveLength(0);
  });

  it("IPv6: in a header of protocol 248 between IP and UDP", () => {
    const ipv6 = { family: 6 as const, address: wordsOf("fd00::80") };
    const services = [{ ...dns, ...ipv6, servers: [server("fd01::11")] }];
    const lab = new Lab(config({ services }));
    const sent = datagram(data, { from: "fd00::7", to: "fd00::80" });
    const { bytes } = lab.send(sent);
    expect(bytes.length).toBe(sent.length + 24);
    expect(bytes[14 + 6]).toBe(248);
    const header = [...bytes.slice(14 + 40, 14 + 40 + 24)];
    const address = [0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7];
    expect(header).toEqual([0x20, 17, 0, 24, 31, 20, 0x9c, 0x40, ...address]);
  });
});
