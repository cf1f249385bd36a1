// Malformed frames through the whole of the balancer and the receivers behind it. Connections are
// opened first; then, for each frame: nothing throws, nothing outside of it is written, what is
// dropped is untouched; and if only options are broken, it is forwarded, and what comes out reads
// right to a reader that shares no code.
import { Balancer, PASSED } from "../../../src/balancer/balancer.js";
import { Connections } from "../../../src/balancer/connections.js";
import {
  BALANCER_DOUBLES,
  type BalancerCounts,
  sumCounts,
  UNTOLD,
} from "../../../src/balancer/counters.js";
import { TURN_WORDS } from "../../../src/balancer/new-connections.js";
import {
  newReceiverMemory,
  type ReceiverCounts,
  ToaReceiver,
} from "../../../src/balancer/receiver/toa-receiver.js";
import { newSegment, openSegment, sealSegment } from "../../../src/balancer/segment/segment.js";
import { insertUoa } from "../../../src/balancer/segment/uoa.js";
import { DROP_REASONS } from "../../../src/base/drop-reasons.js";
import { Random } from "../../../src/base/random.js";
import { wordsOf } from "../../../src/scenario/balancer/resolve.js";
import { macBytes } from "../../../src/wire/ethernet.js";
import { config, LB_MAC, server, service } from "../lab.js";
import { type FrameSpec, lay, type LaidFrame, v4, v6 } from "../segment/frames.js";
import type { ReadPacketView } from "../segment/verify.js";
import { firstOption, toaOf, uoaOf } from "./by-hand.js";
import { breakHeaders, malformedOptions } from "./malformed.js";

export interface FuzzResult {
  readonly frames: number;
  /** Frames with broken options only, all of which were forwarded. */
  readonly forwarded: number;
  /** Those among them that told the client's address. */
  readonly told: number;
  /** Frames with broken headers, by what became of them. */
  readonly broken: Readonly<Record<string, number>>;
  readonly balancer: BalancerCounts;
  readonly receiver: ReceiverCounts;
}

/** A connection as the balancer has it. */
interface Opened {
  readonly spec: FrameSpec;
  /** How the server sees it. */
  readonly local: { readonly address: string; readonly port: number };
  readonly backend: { readonly address: string; readonly port: number };
  readonly delta: number;
  readonly toa: string;
}

const [SYN, ACK, PSH, URG] = [2, 16, 8, 32];
const F = 0x0000_0005;
const CLIENTS = 16;
const MS_PER_FRAME = 1;
/** More than are open within the 900 s that an established one lives on without a frame. */
const CONNECTIONS_MAX = 16_384;
/** Frames after which those connections are opened anew that broken headers may have closed. */
const REOPEN = 500;

function must(isRight: boolean, sentence: string): void {
  if (!isRight) throw new Error(sentence);
}

class Rig {
  readonly random: Random;
  nowMs = 1_000_000;
  forwarded = 0;
  told = 0;
  readonly broken: Record<string, number> = {};
  readonly counters = new Float64Array(BALANCER_DOUBLES);
  readonly balancer: Balancer;
  readonly receivers: Readonly<Record<4 | 6, ToaReceiver>>;
  private readonly sane: Opened[] = [];
  private victims: Opened[] = [];
  private readonly segment = newSegment();
  private port = 20_000;

  constructor(seed: number) {
    this.random = new Random(seed);
    const settings = config({
      services: [
        service({ toa: "dpvs" }),
        service({
          family: 6,
          address: wordsOf("fd00::80"),
          toa: "kind",
          servers: [server("fd01::11")],
        }),
        service({ protocol: "udp", port: 53 }),
      ],
      connectionsMax: CONNECTIONS_MAX,
      local: { ...config().local, lastPort: 60_000 },
    });
    const { buffer } = Connections.create(settings.connectionsMax);
    this.balancer = new Balancer({
      config: settings,
      connections: new Connections(buffer),
      turns: new Int32Array(TURN_WORDS),
      counters: this.counters,
      floor: 0,
      own: { bytes: new Uint8Array(256), offset: 64, length: 0, vnetOffset: -1 },
    });
    this.receivers = {
      4: new ToaReceiver(newReceiverMemory(CONNECTIONS_MAX, "dpvs")),
      6: new ToaReceiver(newReceiverMemory(CONNECTIONS_MAX, "kind")),
    };
  }

  /** Hands a frame to the balancer; what it says, "passed" or the reason. */
  private translate(laid: LaidFrame): string {
    const { frame } = laid;
    frame.bytes.set(macBytes(LB_MAC), frame.offset);
    const before = laid.copy();
    const reason = this.balancer.translate(frame, this.nowMs);
    must(laid.isGuarded(), "something outside the frame was written");
    if (reason === PASSED) return "passed";
    must(Buffer.compare(before, laid.copy()) === 0, "a dropped frame was changed");
    return DROP_REASONS[reason]![0];
  }

  private translated(spec: FrameSpec): ReadPacketView {
    const laid = lay(spec);
    const outcome = this.translate(laid);
    must(outcome === "passed", `a well-formed header was not forwarded: ${outcome}`);
    const { version = 4 } = spec;
    const read = laid.read();
    // Both sides of the server's port, as its decoder would see them.
    if (spec.isAnswer !== true)
      this.receivers[version].toServer(laid.frame, laid.floor, this.nowMs);
    return read;
  }

  /** Opens a connection; the options of SYN and SYN-ACK are broken too. */
  private open(i: number, isVictim: boolean): Opened {
    const version = i % 2 === 0 ? 4 : 6;
    const base = isVictim
      ? { v4: "172.31.255", v6: "2001:db8:ffff" }
      : { v4: "10.0.1", v6: "fd02:1" };
    const client = version === 4 ? `${base.v4}.${i + 1}` : `${base.v6}::${i + 1}`;
    const clientPort = isVictim ? this.port++ : 50_000 + i;
    if (this.port > 49_000) this.port = 20_000;
    const spec: FrameSpec = {
      version,
      client,
      clientPort,
      server: version === 4 ? "10.0.0.80" : "fd00::80",
      serverPort: 80,
    };
    const isn = this.random.next();
    const options = (): string => malformedOptions(this.random);
    const syn = this.translated({ ...spec, flags: SYN, sequence: isn, options: options() });
    const opened: Opened = {
      spec,
      local: { address: syn.source, port: syn.sourcePort },
      backend: { address: syn.destination, port: syn.destinationPort },
      delta: (syn.sequence - isn) >>> 0,
      toa: toaOf(client, clientPort, version === 6),
    };
    const answer = this.answer(opened, { flags: SYN | ACK, sequence: F - 1, options: options() });
    this.receivers[version].fromServer(answer.frame, this.nowMs);
    must(this.translate(answer) === "passed", "a SYN-ACK was not forwarded");
    this.translated({ ...spec, flags: ACK, sequence: isn + 1, acknowledgment: F });
    return opened;
  }

  private answer({ spec, local, backend }: Opened, more: FrameSpec): LaidFrame {
    const text = (address: string): string =>
      spec.version === 6 ? address.replace(/(.{4})(?=.)/g, "$1:") : address;
    return lay({
      version: spec.version ?? 4,
      isAnswer: true,
      client: text(local.address),
      clientPort: local.port,
      server: text(backend.address),
      serverPort: backend.port,
      ...more,
    });
  }

  private shape(): FrameSpec {
    const { random } = this;
    const vnet = random.pick(["none", "plain", "partial", "gso"] as const);
    return {
      flags: random.pick([ACK, ACK | PSH, ACK | PSH | 0x40, ACK | URG, 0x800 | ACK, PSH]),
      sequence: random.next(),
      acknowledgment: random.below(2) === 0 ? F : random.next(),
      options: malformedOptions(random),
      payload: random.below(4) === 0 ? random.below(1480) : random.below(40),
      vnet,
      gsoSize: 1 + random.below(1500),
      headroom: 64 + random.below(3),
    };
  }

  /** Only the options are broken: the connection goes on. */
  private brokenOptions(): void {
    const opened = this.random.pick(this.sane);
    const shape = this.shape();
    if (this.random.below(4) === 0) return this.segmentToClient(opened, shape);
    const spec = { ...opened.spec, ...shape };
    const before = lay(spec).read();
    const refusals = this.refusals();
    const after = this.translated(spec);
    this.forwarded++;
    const { local, backend } = opened;
    must(after.source === local.address && after.sourcePort === local.port, "source");
    must(after.destination === backend.address, "destination");
    must(after.destinationPort === backend.port, "destination port");
    must(after.sequence === (before.sequence + opened.delta) >>> 0, "sequence number");
    must(after.acknowledgment === before.acknowledgment, "acknowledgment");
    this.samePayload(before, after);
    const toas = after.options.filter(({ hex }) => /^(fe(08|14)|fd14|fc14|fa08|f928)/.test(hex));
    if (toas.length === 0) {
      const isMeant = before.acknowledgment === F && (before.flags & ACK) !== 0;
      must(this.refusals() - refusals === (isMeant ? 1 : 0), "no address, and no reason for it");
      return;
    }
    must(
      toas.length === 1 && toas[0]!.hex === opened.toa,
      `an address of somebody else: ${toas[0]!.hex}`,
    );
    must(after.options[0] === toas[0], "the address is not the first option");
    must(before.acknowledgment === F, "an address in a segment that should have none");
    this.told++;
  }

  private refusals(): number {
    return this.counters.subarray(UNTOLD).reduce((sum, count) => sum + count, 0);
  }

  private samePayload(before: ReadPacketView, after: ReadPacketView): void {
    must(after.payload === before.payload, "payload");
    must(after.flags === before.flags && after.window === before.window, "flags or window");
  }

  private segmentToClient(opened: Opened, shape: FrameSpec): void {
    const laid = this.answer(opened, shape);
    const before = laid.read();
    this.receivers[opened.spec.version ?? 4].fromServer(laid.frame, this.nowMs);
    must(this.translate(laid) === "passed", "a segment of the server was not forwarded");
    const after = laid.read();
    this.forwarded++;
    must(after.destinationPort === opened.spec.clientPort, "the client's port");
    must(after.sourcePort === 80 && after.sequence === before.sequence, "the service's port");
    const isShifted = (before.flags & ACK) !== 0;
    const shift = isShifted ? opened.delta : 0;
    must(after.acknowledgment === (before.acknowledgment - shift) >>> 0, "acknowledgment");
    this.samePayload(before, after);
  }

  /** The headers are broken too: whatever becomes of it, it becomes of this frame alone. */
  private brokenFrame(): void {
    const { random } = this;
    const opened = random.pick(this.victims);
    const shape = { ...this.shape(), vnet: random.pick(["plain", "partial", "gso"] as const) };
    const isAnswer = random.below(3) === 0;
    const laid = isAnswer ? this.answer(opened, shape) : lay({ ...opened.spec, ...shape });
    this.break(laid, random.below(4) !== 0);
  }

  /** The same with protocol 248, which only the server's side takes. */
  private brokenUoa(): void {
    const { random, segment } = this;
    const version = random.pick([4, 6] as const);
    const vnet = random.pick(["plain", "partial"] as const);
    const laid = lay({ protocol: "udp", version, vnet, payload: random.below(60) });
    openSegment(segment, laid.frame, laid.floor);
    must(insertUoa(segment, version === 4 ? v4() : v6(), "protocol", 1500) === 0, "no UOA");
    sealSegment(segment);
    // Its own length, more often than chance would hit it.
    const length = segment.places.transport - (version === 4 ? 12 : 24) + 2;
    if (random.below(2) === 0) laid.frame.bytes[length + random.below(2)] = random.next();
    this.break(laid, false);
  }

  private break(laid: LaidFrame, isForBalancer: boolean): void {
    const { random, broken } = this;
    const { frame } = laid;
    frame.bytes.set(macBytes(LB_MAC), frame.offset);
    const whole = frame.offset + frame.length;
    const end = breakHeaders(random, frame.bytes, frame.vnetOffset, whole);
    frame.length = end - frame.offset;
    const behind = frame.bytes.slice(end);
    const outcome = isForBalancer ? this.attempt(laid, frame.length) : "received";
    this.receivers[random.pick([4, 6] as const)].toServer(frame, laid.floor, this.nowMs);
    must(Buffer.compare(behind, frame.bytes.subarray(end)) === 0, "written behind the frame");
    must(frame.offset + frame.length === end, "the frame ends elsewhere");
    must(frame.length >= 0, "headers longer than their frame were taken out");
    const before = frame.bytes.subarray(0, laid.floor);
    must(
      before.every((one) => one === 0xa5),
      "written in front of it",
    );
    broken[outcome] = (broken[outcome] ?? 0) + 1;
  }

  private attempt({ frame }: LaidFrame, length: number): string {
    const before = frame.bytes.slice();
    const reason = this.balancer.translate(frame, this.nowMs);
    if (reason === PASSED) return "passed";
    must(Buffer.compare(before, frame.bytes) === 0, "a dropped frame was changed");
    must(frame.length === length, "a dropped frame has another length");
    return DROP_REASONS[reason]![0];
  }

  /** UDP: IP options are the ones that are broken. */
  private datagram(): void {
    const { random } = this;
    const spec: FrameSpec = {
      protocol: "udp",
      client: `10.0.2.${1 + random.below(250)}`,
      clientPort: 1024 + random.below(16),
      server: "10.0.0.80",
      serverPort: 53,
      ipOptions: malformedOptions(random),
      payload: random.below(1400),
      vnet: random.pick(["none", "plain", "partial"] as const),
    };
    const before = lay(spec).read();
    const after = this.translated(spec);
    this.forwarded++;
    must(after.payload === before.payload, "payload of a datagram");
    const own = uoaOf(spec.client!, spec.clientPort!);
    // Hex digits of the options; an address of somebody else would have been noise under 31.
    const uoa = firstOption(after.between, 31);
    must(uoa === null || uoa === own, `an address of somebody else: ${uoa}`);
  }

  step(i: number): void {
    this.nowMs += MS_PER_FRAME;
    if (i === 0) for (let k = 0; k < CLIENTS; k++) this.sane.push(this.open(k, false));
    if (i % REOPEN === 0) {
      this.victims = Array.from({ length: 4 }, (_, k) => this.open(k, true));
    }
    const choice = this.random.below(8);
    if (choice < 5) this.brokenOptions();
    else if (choice < 7) this.brokenFrame();
    else if (this.random.below(4) === 0) this.brokenUoa();
    else this.datagram();
  }
}

/**
 * Runs that many frames.
 * @param progress called after every 100,000.
 * @throws when a law is broken, with the number of the frame and the command that repeats it.
 */
export function fuzz(frames: number, seed: number, progress?: (done: number) => void): FuzzResult {
  const rig = new Rig(seed);
  for (let i = 0; i < frames; i++) {
    try {
      rig.step(i);
    } catch (error) {
      const again = `node scripts/fuzz-toa.mjs --frames ${i + 1} --seed ${seed}`;
      throw new Error(`frame ${i} of seed ${seed}: ${String(error)}; again: ${again}`, {
        cause: error,
      });
    }
    if ((i + 1) % 100_000 === 0) progress?.(i + 1);
  }
  const { forwarded, told, broken } = rig;
  const receiver = rig.receivers[4];
  receiver.clear();
  const balancer = sumCounts([rig.counters]);
  return { frames, forwarded, told, broken, balancer, receiver: receiver.counts() };
}
