// Every way in which a frame can end at the balancer, by name; and what it answers for itself.
import { describe, expect, it } from "vitest";
import { takeLock } from "../../src/sync/spin-lock.js";
import { buildArp } from "../../src/wire/arp.js";
import { buildEthernet, ETHERTYPE } from "../../src/wire/ethernet.js";
import { buildIpv4 } from "../../src/wire/ipv4.js";
import { buildIpv6, ipv6Bytes } from "../../src/wire/ipv6.js";
import { buildIcmp, buildTcp } from "../../src/wire/transport.js";
import {
  ACK,
  CLIENT,
  CLIENT_MAC,
  config,
  fromClient,
  Lab,
  LB_MAC,
  server,
  service,
  SYN,
  tcp,
} from "./lab.js";
import { wordsOf } from "../../src/scenario/balancer/resolve.js";

function ofClient(fields: Partial<Parameters<typeof buildIpv4>[0]>, toMac = LB_MAC): Uint8Array {
  const payload = buildTcp({ source: 1, destination: 80, flags: SYN });
  const ends = { source: CLIENT.from, destination: CLIENT.to, protocol: 6, payload };
  const type = ETHERTYPE.ipv4;
  const ip = buildIpv4({ ...ends, ...fields });
  return buildEthernet({ source: CLIENT_MAC, destination: toMac, type, payload: ip });
}

const syn = (port: number) => fromClient({ flags: SYN, source: port });

describe("a frame ends at the balancer, by name", () => {
  it("balancer-not-mine: what a switch floods", () => {
    const lab = new Lab();
    expect(lab.send(ofClient({}, "02:00:00:00:00:99")).dropped).toBe("balancer-not-mine");
    expect(lab.send(ofClient({}, "ff:ff:ff:ff:ff:ff")).dropped).toBe("balancer-not-mine");
  });

  it("balancer-unreadable: fragments, other protocols, headers cut short", () => {
    const lab = new Lab();
    expect(lab.send(ofClient({ fragment: 0x2000 })).dropped).toBe("balancer-unreadable");
    expect(lab.send(ofClient({ fragment: 100 })).dropped).toBe("balancer-unreadable");
    const icmp = { protocol: 1, payload: buildIcmp({ type: 8 }) };
    expect(lab.send(ofClient(icmp)).dropped).toBe("balancer-unreadable");
    expect(lab.send(ofClient({ payload: new Uint8Array(19) })).dropped).toBe("balancer-unreadable");
  });

  it("balancer-no-service: another port, another address, another protocol", () => {
    const lab = new Lab();
    expect(lab.send(fromClient({ destination: 81, flags: SYN })).dropped).toBe(
      "balancer-no-service",
    );
    const elsewhere = { ...CLIENT, to: "10.0.0.81" };
    expect(lab.send(fromClient({ flags: SYN }, elsewhere)).dropped).toBe("balancer-no-service");
  });

  it("balancer-no-connection: an ACK, and a SYN-ACK, out of the blue", () => {
    const lab = new Lab();
    expect(lab.send(fromClient({ flags: ACK })).dropped).toBe("balancer-no-connection");
    expect(lab.send(fromClient({ flags: SYN | ACK })).dropped).toBe("balancer-no-connection");
  });

  it("balancer-no-server: all have weight 0", () => {
    const servers = [server("10.1.0.11", { weight: 0 })];
    const lab = new Lab(config({ services: [service({ servers })] }));
    expect(lab.send(syn(1)).dropped).toBe("balancer-no-server");
  });

  it("balancer-no-port: every local port is in use with the server", () => {
    const local = { ...config().local, firstPort: 5000, lastPort: 5001 };
    const services = [service({ servers: [server("10.1.0.11")] })];
    const lab = new Lab(config({ local, services }));
    expect([1, 2, 3].map((port) => lab.send(syn(port)).dropped)).toEqual([
      ...[null, null, "balancer-no-port"],
    ]);
    // Known connections go on.
    expect(lab.send(syn(1)).dropped).toBeNull();
  });

  it("balancer-full: no more than connectionsMax", () => {
    const lab = new Lab(config({ connectionsMax: 2 }));
    expect([1, 2, 3].map((port) => lab.send(syn(port)).dropped)).toEqual([
      ...[null, null, "balancer-full"],
    ]);
    lab.clock.step(31_000);
    expect(lab.send(syn(4)).dropped).toBeNull();
  });

  it("balancer-busy: somebody died with a lock in hand", () => {
    const lab = new Lab();
    lab.send(syn(1));
    // The locks of all chains: 64, one to a cache line, behind 16 words of header.
    for (let i = 0; i < 64; i++) takeLock(lab.connections.words, 16 + 16 * i);
    expect(lab.send(syn(1)).dropped).toBe("balancer-busy");
  });
});

const ASK = { senderMac: CLIENT_MAC, senderIp: 0x0a000107 };
function arp(operation: number, targetIp: number): Uint8Array {
  const payload = buildArp({ ...ASK, operation, targetIp });
  const destination = "ff:ff:ff:ff:ff:ff";
  return buildEthernet({ source: CLIENT_MAC, destination, type: ETHERTYPE.arp, payload });
}

describe("neighbors", () => {
  it.each([
    ["a service's address", 0x0a000050],
    ["a local address", 0x0a010001],
  ])("ARP for %s is answered", (_what, address) => {
    const { dropped, bytes } = new Lab().send(arp(1, address));
    expect(dropped).toBeNull();
    const payload = buildArp({
      ...{ operation: 2, senderMac: LB_MAC, senderIp: address },
      ...{ targetMac: CLIENT_MAC, targetIp: ASK.senderIp },
    });
    const macs = { source: LB_MAC, destination: CLIENT_MAC };
    expect(bytes).toEqual(buildEthernet({ ...macs, type: ETHERTYPE.arp, payload }));
  });

  it("ARP for anybody else, and replies, are not the balancer's", () => {
    expect(new Lab().send(arp(1, 0x0a000051)).dropped).toBe("balancer-not-mine");
    expect(new Lab().send(arp(2, 0x0a000050)).dropped).toBe("balancer-not-mine");
  });

  function solicitation(from: string, target: string, hasOption: boolean): Uint8Array {
    const rest = new Uint8Array(20 + (hasOption ? 8 : 0));
    rest.set(ipv6Bytes(target), 4);
    if (hasOption) rest.set([1, 1, 2, 0, 0, 0, 0, 7], 20);
    const payload = buildIpv6({
      ...{ source: from, destination: "ff02::1:ff00:80", protocol: 58, hopLimit: 255 },
      payload: buildIcmp({ type: 135, rest }),
    });
    const destination = "33:33:ff:00:00:80";
    return buildEthernet({ source: CLIENT_MAC, destination, type: ETHERTYPE.ipv6, payload });
  }

  function advert(to: string, toMac: string, flags: number): Uint8Array {
    const rest = new Uint8Array(28);
    rest[0] = flags;
    rest.set(ipv6Bytes("fd00::80"), 4);
    rest.set([2, 1, 0x02, 0x6c, 0x62, 0, 0, 1], 20);
    const payload = buildIpv6({
      ...{ source: "fd00::80", destination: to, protocol: 58, hopLimit: 255 },
      payload: buildIcmp({ type: 136, rest }),
    });
    return buildEthernet({ source: LB_MAC, destination: toMac, type: ETHERTYPE.ipv6, payload });
  }

  const ipv6 = config({ services: [service({ family: 6, address: wordsOf("fd00::80") })] });

  it.each([true, false])("a neighbor solicitation is answered, link address %s", (has) => {
    const { dropped, bytes } = new Lab(ipv6).send(solicitation("fd00::7", "fd00::80", has));
    expect(dropped).toBeNull();
    expect(bytes).toEqual(advert("fd00::7", CLIENT_MAC, 0x60));
  });

  it("a probe for the address (duplicate address detection) is answered to all nodes", () => {
    const { bytes } = new Lab(ipv6).send(solicitation("::", "fd00::80", false));
    expect(bytes).toEqual(advert("ff02::1", "33:33:00:00:00:01", 0x20));
  });

  it("one for anybody else, or from beyond the link, is not the balancer's", () => {
    const lab = new Lab(ipv6);
    expect(lab.send(solicitation("fd00::7", "fd00::81", true)).dropped).toBe("balancer-not-mine");
    const far = solicitation("fd00::7", "fd00::80", true);
    far[14 + 7] = 254;
    expect(lab.send(far).dropped).toBe("balancer-not-mine");
  });
});

describe("NAT and direct routing", () => {
  it("nat: the destination only, no option, no shift", () => {
    const lab = new Lab(config({ services: [service({ mode: "nat" })] }));
    const there = lab.send(fromClient({ flags: SYN, sequence: 99 }));
    expect(there.bytes).toEqual(
      tcp(
        { from: CLIENT.from, to: "10.1.0.11", fromMac: LB_MAC, toMac: "02:00:00:00:00:11" },
        { source: 40_000, destination: 8080, flags: SYN, sequence: 99 },
      ),
    );
    const reply = { source: 8080, destination: 40_000, flags: SYN | ACK, acknowledgment: 100 };
    const back = lab.send(tcp({ from: "10.1.0.11", to: CLIENT.from }, reply));
    const macs = { fromMac: LB_MAC, toMac: CLIENT_MAC };
    const expected = tcp({ from: "10.0.0.80", to: CLIENT.from, ...macs }, { ...reply, source: 80 });
    expect(back.bytes).toEqual(expected);
  });

  it("dr: the MAC addresses only", () => {
    const lab = new Lab(config({ services: [service({ mode: "dr" })] }));
    const { bytes } = lab.send(fromClient({ flags: SYN, sequence: 99 }));
    const macs = { fromMac: LB_MAC, toMac: "02:00:00:00:00:11" };
    expect(bytes).toEqual(fromClient({ flags: SYN, sequence: 99 }, { ...CLIENT, ...macs }));
  });
});
