// A balancer of one or more workers without threads and devices: frames go in as bytes and come out
// as bytes, or with the name of the reason for which they ended.
import { Balancer, PASSED } from "../../src/balancer/balancer.js";
import { Connections } from "../../src/balancer/connections.js";
import { BALANCER_DOUBLES, type BalancerCounts, sumCounts } from "../../src/balancer/counters.js";
import { TURN_WORDS } from "../../src/balancer/new-connections.js";
import type { BalancerConfig, RealServer, VirtualService } from "../../src/balancer/types.js";
import { SteppedClock } from "../../src/base/clock.js";
import { DROP_REASONS } from "../../src/base/drop-reasons.js";
import { wordsOf } from "../../src/scenario/balancer/resolve.js";
import { buildEthernet, ETHERTYPE, macBytes } from "../../src/wire/ethernet.js";
import { buildIpv4 } from "../../src/wire/ipv4.js";
import { buildIpv6 } from "../../src/wire/ipv6.js";
import { buildTcp, buildUdp, TCP_FLAG } from "../../src/wire/transport.js";

export const LB_MAC = "02:6c:62:00:00:01";
export const CLIENT_MAC = "02:00:00:00:00:07";
export const SERVER_MACS = ["02:00:00:00:00:11", "02:00:00:00:00:12"] as const;

const FLOOR = 128;
const SLOT = 2048;

export function server(address: string, more: Partial<RealServer> = {}): RealServer {
  const mac = [...macBytes(SERVER_MACS[0])];
  return { address: wordsOf(address), port: 8080, weight: 1, mac, mtu: 1500, ...more };
}

export function service(more: Partial<VirtualService> = {}): VirtualService {
  return {
    name: "web",
    family: 4,
    address: wordsOf("10.0.0.80"),
    port: 80,
    protocol: "tcp",
    mode: "fullnat",
    scheduler: "rr",
    toa: "dpvs",
    servers: [server("10.1.0.11"), server("10.1.0.12", { mac: [...macBytes(SERVER_MACS[1])] })],
    ...more,
  };
}

export function config(more: Partial<BalancerConfig> = {}): BalancerConfig {
  return {
    mac: [...macBytes(LB_MAC)],
    services: [service()],
    local: {
      addresses: [
        { family: 4, words: wordsOf("10.1.0.1") },
        { family: 6, words: wordsOf("fd01::1") },
      ],
      firstPort: 5000,
      lastPort: 5999,
    },
    connectionsMax: 64,
    seed: 1,
    ...more,
  };
}

/** What became of a frame. */
export interface Fate {
  /** null: it went on, as `bytes`. */
  readonly dropped: string | null;
  readonly bytes: Uint8Array;
  /** A frame of the balancer's own, to be forwarded before. */
  readonly ahead: Uint8Array | null;
}

export class Lab {
  readonly clock = new SteppedClock(1_000_000);
  readonly connections: Connections;
  readonly workers: Balancer[];
  private readonly blocks: Float64Array[];
  private readonly own = { bytes: new Uint8Array(256), offset: 0, length: 0, vnetOffset: -1 };

  constructor(settings: BalancerConfig = config(), workers = 1) {
    const { buffer } = Connections.create(settings.connectionsMax);
    this.connections = new Connections(buffer);
    const turns = new Int32Array(new SharedArrayBuffer(4 * TURN_WORDS));
    this.blocks = Array.from({ length: workers }, () => new Float64Array(BALANCER_DOUBLES));
    this.workers = this.blocks.map(
      (counters) =>
        new Balancer({
          config: settings,
          connections: new Connections(buffer),
          turns,
          counters,
          floor: 0,
          own: this.own,
        }),
    );
  }

  counts(): BalancerCounts {
    return sumCounts(this.blocks);
  }

  /** Hands a frame to a worker's balancer. */
  send(frame: Uint8Array, worker = 0): Fate {
    const bytes = new Uint8Array(SLOT);
    bytes.set(frame, FLOOR);
    const inHand = { bytes, offset: FLOOR, length: frame.length, vnetOffset: -1 };
    const balancer = this.workers[worker]!;
    const reason = balancer.translate(inHand, this.clock.nowMs());
    const { own } = this;
    return {
      ahead: balancer.hasOwn ? own.bytes.slice(0, own.length) : null,
      dropped: reason === PASSED ? null : DROP_REASONS[reason]![0],
      bytes: bytes.slice(inHand.offset, inHand.offset + inHand.length),
    };
  }
}

export interface Ends {
  readonly from: string;
  readonly to: string;
  readonly fromMac?: string;
  readonly toMac?: string;
}

function packet(ends: Ends, protocol: number, payload: Uint8Array): Uint8Array {
  const fields = { source: ends.from, destination: ends.to, protocol, payload };
  const isV6 = ends.from.includes(":");
  return buildEthernet({
    source: ends.fromMac ?? CLIENT_MAC,
    destination: ends.toMac ?? LB_MAC,
    type: isV6 ? ETHERTYPE.ipv6 : ETHERTYPE.ipv4,
    payload: isV6 ? buildIpv6(fields) : buildIpv4(fields),
  });
}

export function tcp(ends: Ends, fields: Parameters<typeof buildTcp>[0]): Uint8Array {
  return packet(ends, 6, buildTcp(fields));
}

export function udp(ends: Ends, fields: Parameters<typeof buildUdp>[0]): Uint8Array {
  return packet(ends, 17, buildUdp(fields));
}

/** MSS 1460, SACK permitted, timestamps, NOP, window scale 7: as Linux sends it. */
export const SYN_OPTIONS = Uint8Array.of(
  ...[2, 4, 0x05, 0xb4, 4, 2, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0, 1, 3, 3, 7],
);

export const { syn: SYN, ack: ACK, fin: FIN, rst: RST, psh: PSH } = TCP_FLAG;

export const CLIENT: Ends = { from: "10.0.1.7", to: "10.0.0.80" };
export const CLIENT_PORT = 40_000;

/** A segment of the client on its first connection. */
export function fromClient(
  fields: Partial<Parameters<typeof buildTcp>[0]>,
  ends: Ends = CLIENT,
): Uint8Array {
  return tcp(ends, { source: CLIENT_PORT, destination: 80, ...fields });
}
