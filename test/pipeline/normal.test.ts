// The NORMAL action: learning, flooding, VLANs, and the frames that a switch keeps to itself.
import { describe, expect, it } from "vitest";
import { OFPP } from "../../src/flow/types.js";
import { MAC_COUNTER } from "../../src/pipeline/mac-table.js";
import { PORT_FLAG } from "../../src/pipeline/ports.js";
import { isReserved } from "../../src/pipeline/switching/reserved-macs.js";
import { arpRequest, BROADCAST, ends, flow, lab, mac, output, udp } from "./fixtures.js";

const NORMAL = [flow({}, [output(OFPP.normal)])];

describe("NORMAL", () => {
  it("floods an unknown destination, learns the source, then forwards to the learned port", () => {
    const { send, macs } = lab(NORMAL);
    expect(ends(send(udp({ from: 1, to: 2 }), 1))).toEqual([2, 3, 4]);
    expect(ends(send(udp({ from: 2, to: 1 }), 2))).toEqual([1]);
    expect(ends(send(udp({ from: 1, to: 2 }), 1))).toEqual([2]);
    expect(macs.entries(1000).map((entry) => [entry.mac, entry.port])).toEqual(
      expect.arrayContaining([
        [mac(1), 1],
        [mac(2), 2],
      ]),
    );
  });

  it("drops a frame whose destination was learned on the port it came from", () => {
    const { send } = lab(NORMAL);
    send(udp({ from: 2, to: 9 }), 1);
    expect(ends(send(udp({ from: 1, to: 2 }), 1))).toEqual(["learned-in-port"]);
  });

  it("a gratuitous ARP moves a MAC to its new port, also for megaflows that exist", () => {
    const { send, macs } = lab(NORMAL);
    send(udp({ from: 2, to: 1 }), 2);
    expect(ends(send(udp({ from: 1, to: 2 }), 1))).toEqual([2]);
    expect(ends(send(arpRequest(2, 2), 3))).toEqual([1, 2, 4]);
    expect(macs.counter(MAC_COUNTER.moved)).toBe(1);
    expect(ends(send(udp({ from: 1, to: 2 }), 1))).toEqual([3]);
  });

  it("never learns a group address", () => {
    const { send, macs } = lab(NORMAL);
    send(udp({ source: "03:00:00:00:00:01" }), 1);
    expect(macs.entries(1000)).toEqual([]);
  });

  it("floods broadcasts, without ports that say no-flood or no-forward", () => {
    const { send, ports } = lab(NORMAL);
    ports.add(3, PORT_FLAG.noFlood);
    ports.add(4, PORT_FLAG.noForward);
    expect(ends(send(udp({ destination: BROADCAST }), 1))).toEqual([2]);
  });

  it("sends nothing to a port that says no-forward, whoever asks", () => {
    const { send, ports } = lab([flow({}, [output(3)])]);
    ports.add(3, PORT_FLAG.noForward);
    expect(ends(send(udp({ from: 1, to: 2 }), 1))).toEqual(["port-refused"]);
  });

  it("keeps VLANs apart", () => {
    const { send } = lab(NORMAL);
    send(udp({ from: 2, to: 9, tags: [{ tci: 5 }] }), 2);
    expect(ends(send(udp({ from: 1, to: 2, tags: [{ tci: 5 }] }), 1))).toEqual([2]);
    expect(ends(send(udp({ from: 1, to: 2, tags: [{ tci: 6 }] }), 1))).toEqual([2, 3, 4]);
    expect(ends(send(udp({ from: 1, to: 2 }), 1))).toEqual([2, 3, 4]);
  });

  it("drops link-local destinations that a switch must not forward", () => {
    const { send } = lab(NORMAL);
    for (const address of ["01:80:c2:00:00:00", "01:80:c2:00:00:0f", "01:00:0c:cc:cc:cd"]) {
      expect(ends(send(udp({ destination: address }), 1))).toEqual(["reserved-mac"]);
    }
    expect(ends(send(udp({ destination: "01:80:c2:00:00:10" }), 1))).toEqual([2, 3, 4]);
    expect(isReserved(0x01000ccc, 0xccc8)).toBe(false);
    expect(isReserved(0x01000ccc, 0xccc7)).toBe(true);
  });

  it("drops a frame whose VLAN header is cut off", () => {
    const { send } = lab(NORMAL);
    const whole = udp({ tags: [{ tci: 5 }] });
    expect(ends(send(whole.slice(0, 16), 1))).toEqual(["vlan-refused"]);
  });

  it("a stale FDB entry of a deleted port is a counted miss, not an output (FDio/vpp#1866)", () => {
    const { send, ports, macs } = lab(NORMAL);
    send(udp({ from: 2, to: 1 }), 2);
    expect(ends(send(udp({ from: 1, to: 2 }), 1))).toEqual([2]);
    ports.remove(2);
    expect(ends(send(udp({ from: 1, to: 2 }), 1))).toEqual([3, 4]);
    expect(macs.counter(MAC_COUNTER.stale)).toBe(1);
  });

  it("a port that is plugged in again does not inherit the old one's addresses", () => {
    const { send, ports, macs } = lab(NORMAL);
    send(udp({ from: 2, to: 1 }), 2);
    ports.remove(2);
    ports.add(2);
    expect(ends(send(udp({ from: 1, to: 2 }), 1)).sort()).toEqual([2, 3, 4]);
    expect(macs.counter(MAC_COUNTER.stale)).toBe(1);
    expect(ends(send(udp({ from: 2, to: 1 }), 2))).toEqual([1]);
    expect(ends(send(udp({ from: 1, to: 2 }), 1))).toEqual([2]);
  });

  it("forgets an address after 300 s without its frames, not before", () => {
    const { send, clock, datapath } = lab(NORMAL);
    send(udp({ from: 2, to: 1 }), 2);
    clock.step(299_000);
    datapath.beginBurst();
    expect(ends(send(udp({ from: 1, to: 2 }), 1))).toEqual([2]);
    clock.step(1_001);
    datapath.beginBurst();
    expect(ends(send(udp({ from: 1, to: 2, ports: [5, 5] }), 1))).toEqual([2, 3, 4]);
  });

  it("running traffic keeps its own address learned, though it hits a megaflow", () => {
    const { send, clock, datapath } = lab(NORMAL);
    send(udp({ from: 1, to: 2 }), 1);
    send(udp({ from: 2, to: 1 }), 2);
    for (let second = 0; second < 400; second += 2) {
      clock.step(2000);
      datapath.beginBurst();
      send(udp({ from: 1, to: 2 }), 1);
      send(udp({ from: 2, to: 1 }), 2);
    }
    expect(ends(send(udp({ from: 1, to: 2 }), 1))).toEqual([2]);
  });
});
