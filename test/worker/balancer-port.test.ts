// A load balancer as a port of the switch: what is output to it comes back in on it, once, and the
// books of both ports balance; with copies, floods, super-frames, and a server's port behind it.
import { describe, expect, it } from "vitest";
import { Balancer } from "../../src/balancer/balancer.js";
import { Connections } from "../../src/balancer/connections.js";
import { BALANCER_DOUBLES } from "../../src/balancer/counters.js";
import { TURN_WORDS } from "../../src/balancer/new-connections.js";
import { newReceiverMemory, ToaReceiver } from "../../src/balancer/receiver/toa-receiver.js";
import type { BalancerConfig } from "../../src/balancer/types.js";
import { SteppedClock } from "../../src/base/clock.js";
import type { Flow } from "../../src/flow/types.js";
import { wordsOf } from "../../src/scenario/balancer/resolve.js";
import { PORT_COUNTER } from "../../src/sync/counters.js";
import { cpuBlock } from "../../src/sync/index.js";
import { BalancerPort } from "../../src/worker/balancer/balancer-port.js";
import {
  HEADROOM_BYTES,
  shortSlotOffset,
  slotOffset,
  VNET_BYTES,
} from "../../src/worker/frame-pool.js";
import { ServerSide } from "../../src/worker/balancer/server-side.js";
import {
  ACK,
  CLIENT_PORT,
  config,
  fromClient,
  PSH,
  server,
  service,
  SYN,
  tcp,
  udp,
} from "../balancer/lab.js";
import { readFrame } from "../balancer/reader.js";
import { flow, output } from "../pipeline/fixtures.js";
import { Rig, type RigPort, withVnet } from "./rig.js";

const CLIENTS = 1;
const SERVERS = 2;
const LB = 3;
const SNIFFER = 4;

const PLAIN: readonly Flow[] = [
  flow({ in_port: CLIENTS }, [output(LB)]),
  flow({ in_port: SERVERS }, [output(LB)]),
  flow({ in_port: LB, eth_dst: 0x020000000007 }, [output(CLIENTS)], { priority: 40_000 }),
  flow({ in_port: LB }, [output(SERVERS)]),
];

class Switch {
  readonly rig: Rig;
  readonly connections: Connections;
  readonly receiver: ToaReceiver;
  private readonly ports = new Map<number, RigPort>();

  constructor(flows = PLAIN, settings: BalancerConfig = config()) {
    this.rig = new Rig({ flows, queues: 1 });
    const { rig } = this;
    for (const number of [CLIENTS, SERVERS, SNIFFER]) this.ports.set(number, rig.plug(number));
    rig.plug(LB, "dummy", []);
    this.connections = Connections.create(settings.connectionsMax);
    const slot = shortSlotOffset(1, 0) + HEADROOM_BYTES;
    const own = {
      ...{ bytes: new Uint8Array(rig.pool), offset: slot + VNET_BYTES, vnetOffset: slot },
      ...{ length: 0, inPort: LB, queueMapping: 0, hash: 0 },
    };
    const balancer = new Balancer({
      ...{ config: settings, connections: this.connections, own, floor: slotOffset(0) },
      turns: new Int32Array(new SharedArrayBuffer(4 * TURN_WORDS)),
      counters: new Float64Array(BALANCER_DOUBLES),
    });
    const { datapath, counters, k } = rig;
    const clock = new SteppedClock(1_000_000);
    const place = { m: k.m, block: cpuBlock(0), capture: null };
    const parts = { number: LB, balancer, own, datapath, counters, clock, ...place };
    rig.transmit.balancer = new BalancerPort(parts);
    const memory = newReceiverMemory(64, "dpvs");
    this.receiver = new ToaReceiver(memory);
    rig.transmit.servers = new ServerSide([{ ports: [SERVERS], memory }], clock, slotOffset(0));
  }

  /** Lets a port receive frames; what was written since, by port. */
  receive(port: number, ...frames: Uint8Array[]): Map<number, Uint8Array[]> {
    const { rig } = this;
    const before = rig.io.written.length;
    rig.io.script(this.ports.get(port)!.handles[0]!, ...frames);
    rig.restart();
    rig.runUntilWaits(1);
    const written = new Map<number, Uint8Array[]>();
    for (const { handle, bytes } of rig.io.written.slice(before)) {
      const to = Math.floor(handle / 100);
      written.set(to, [...(written.get(to) ?? []), bytes]);
    }
    return written;
  }

  expectBalanced(): void {
    for (const port of [CLIENTS, SERVERS, LB, SNIFFER]) {
      expect(this.rig.unaccounted(port), `port ${port}`).toBe(0);
    }
  }
}

const syn = withVnet(fromClient({ flags: SYN, sequence: 100 }));
const isFrame = (bytes: Uint8Array | undefined) => readFrame(bytes!.slice(VNET_BYTES));

/** A connection up to the server's SYN-ACK; what the server saw of the SYN. */
function opened(lab: Switch) {
  const [first] = lab.receive(CLIENTS, syn).get(SERVERS)!;
  const seen = isFrame(first);
  const ends = { from: seen.to, to: seen.from, fromMac: seen.macs.to, toMac: seen.macs.from };
  const fields = { source: seen.ports.to, destination: seen.ports.from, flags: SYN | ACK };
  const answer = tcp(ends, { ...fields, sequence: 900, acknowledgment: seen.sequence + 1 });
  return { seen, back: lab.receive(SERVERS, withVnet(answer)) };
}

describe("a frame that is output to the balancer", () => {
  it("comes back in on its port and goes on; both ports have it in their books", () => {
    const lab = new Switch();
    const written = lab.receive(CLIENTS, syn);
    expect([...written.keys()]).toEqual([SERVERS]);
    expect(isFrame(written.get(SERVERS)![0])).toMatchObject({ to: "10.1.0.11", faults: [] });
    const { rig } = lab;
    expect(rig.counter(CLIENTS, PORT_COUNTER.sent)).toBe(1);
    expect(rig.counter(LB, PORT_COUNTER.tx)).toBe(1);
    expect(rig.counter(LB, PORT_COUNTER.rx)).toBe(1);
    expect(rig.counter(LB, PORT_COUNTER.sent)).toBe(1);
    expect(rig.counter(SERVERS, PORT_COUNTER.tx)).toBe(1);
    lab.expectBalanced();
  });

  it("both ways, with the address, which the server's side learns", () => {
    const lab = new Switch();
    const { back } = opened(lab);
    expect(isFrame(back.get(CLIENTS)![0])).toMatchObject({
      from: "10.0.0.80",
      acknowledgment: 101,
    });
    const ack = fromClient({ flags: ACK, sequence: 101, acknowledgment: 901 });
    const [told] = lab.receive(CLIENTS, withVnet(ack)).get(SERVERS)!;
    expect([...isFrame(told).options]).toEqual([254, 8, 0x9c, 0x40, 10, 0, 1, 7]);
    const [learned] = lab.receiver.entries(1_000_000);
    expect(learned!.client).toMatchObject({ family: 4, port: CLIENT_PORT });
    expect([...learned!.client!.words]).toEqual(wordsOf("10.0.1.7"));
    lab.expectBalanced();
  });

  it("what it refuses is a drop of the port that it came from", () => {
    const lab = new Switch();
    lab.receive(CLIENTS, withVnet(fromClient({ flags: ACK })));
    expect(lab.rig.drops(CLIENTS)).toEqual({ "balancer-no-connection": 1 });
    expect(lab.rig.counter(LB, PORT_COUNTER.rx)).toBe(0);
    lab.expectBalanced();
  });

  it("balancer-again: once round and no further", () => {
    const flows = [...PLAIN.slice(0, 2), flow({ in_port: LB }, [{ type: "output", port: 0xfff8 }])];
    const lab = new Switch(flows);
    expect(lab.receive(CLIENTS, syn).size).toBe(0);
    expect(lab.rig.drops(LB)).toEqual({ "balancer-again": 1 });
    lab.expectBalanced();
  });

  it("a copy of it elsewhere, afterwards, is as it came", () => {
    const copying = [flow({ in_port: CLIENTS }, [output(LB), output(SNIFFER)]), ...PLAIN.slice(1)];
    const lab = new Switch(copying);
    const written = lab.receive(CLIENTS, syn);
    expect(written.get(SNIFFER)).toEqual([syn]);
    expect(lab.rig.counter(CLIENTS, PORT_COUNTER.sent)).toBe(2);
    expect(lab.rig.counter(LB, PORT_COUNTER.sent)).toBe(1);
    expect(isFrame(written.get(SERVERS)![0]).to).toBe("10.1.0.11");
    lab.expectBalanced();
  });

  it("a copy behind the server's port has the header of protocol 248, the server has not", () => {
    const ipv6 = { family: 6 as const, address: wordsOf("fd00::80"), protocol: "udp" as const };
    const services = [service({ ...ipv6, port: 53, servers: [server("fd01::11")] })];
    const flows = [PLAIN[0]!, flow({ in_port: LB }, [output(SERVERS), output(SNIFFER)])];
    const lab = new Switch(flows, config({ services }));
    const payload = Uint8Array.of(1, 2, 3);
    const ends = { from: "fd00::7", to: "fd00::80" };
    const sent = udp(ends, { source: CLIENT_PORT, destination: 53, payload });
    const written = lab.receive(CLIENTS, withVnet(sent));
    const [server1] = written.get(SERVERS)!;
    const [sniffed] = written.get(SNIFFER)!;
    expect(isFrame(server1)).toMatchObject({ to: "fd01::11", payload, faults: [] });
    expect(sniffed!.length).toBe(server1!.length + 24);
    expect(sniffed![VNET_BYTES + 14 + 6]).toBe(248);
    expect(lab.receiver.entries(1_000_000)).toHaveLength(1);
    lab.expectBalanced();
  });

  it("a datagram without room has one of the balancer's own ahead, which is in the books", () => {
    const services = [service({ port: 53, protocol: "udp" })];
    const lab = new Switch(PLAIN, config({ services }));
    const ends = { from: "10.0.1.7", to: "10.0.0.80" };
    const payload = new Uint8Array(1472).fill(7);
    const sent = udp(ends, { source: CLIENT_PORT, destination: 53, payload });
    const [ahead, whole] = lab.receive(CLIENTS, withVnet(sent)).get(SERVERS)!;
    expect(isFrame(ahead)).toMatchObject({ payload: new Uint8Array(0), faults: [] });
    expect([...isFrame(ahead).options]).toEqual([31, 8, 0x9c, 0x40, 10, 0, 1, 7]);
    expect(isFrame(whole)).toMatchObject({ payload, faults: [] });
    expect(lab.rig.counter(LB, PORT_COUNTER.rx)).toBe(2);
    lab.expectBalanced();
  });

  it("a super-frame passes whole: its headers grow, its segment size does not", () => {
    const lab = new Switch();
    opened(lab);
    const payload = new Uint8Array(20_000).map((_, i) => i);
    const fields = { flags: ACK | PSH, sequence: 101, acknowledgment: 901, payload };
    const frame = fromClient(fields);
    // NEEDS_CSUM, TCPv4, hdr_len 54, gso_size 1452, csum_start 34, csum_offset 16.
    const vnet = { 0: 1, 1: 1, 2: 54, 4: 1452 & 255, 5: 1452 >> 8, 6: 34, 8: 16 };
    const [big] = lab.receive(CLIENTS, withVnet(frame, vnet)).get(SERVERS)!;
    expect(big!.length).toBe(VNET_BYTES + frame.length + 8);
    expect([...big!.slice(0, 10)]).toEqual([1, 1, 62, 0, 1452 & 255, 1452 >> 8, 34, 0, 16, 0]);
    const seen = readFrame(big!.slice(VNET_BYTES));
    expect(seen.payload).toEqual(payload);
    expect([...seen.options.slice(0, 2)]).toEqual([254, 8]);
    lab.expectBalanced();
  });
});
