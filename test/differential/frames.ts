// Random frames as bytes, for `ofproto/trace`: what the text of a flow has no words for, such as a
// second tag.
import type { Random } from "../../src/base/random.js";
import { PORTS } from "./ovs.js";

const MACS = ["020000000001", "020000000002", "0a0b0c0d0e0f", "ffffffffffff", "01005e000001"];
const TYPES = ["8100", "8100", "88a8"];
const TAGS = ["0001", "0002", "0064", "2001", "e064", "0000"];
const ADDRESSES = ["0a000001", "0a000002", "c0a80001"];

const V6 = ["20010db8000000000000000000000001", "fe800000000000000000000000000002"];
const hex = (value: number, digits: number): string => value.toString(16).padStart(digits, "0");
const bytes = (random: Random, count: number): string =>
  Array.from({ length: count }, () => hex(random.below(256), 2)).join("");

/** Arguments of `ofproto/trace` behind the bridge: a port, and a frame in hex with 0 to 3 tags. */
export function frameText(random: Random): string {
  const tags = Array.from(
    { length: random.below(4) },
    () => `${random.pick(TYPES)}${random.pick(TAGS)}`,
  );
  const ethernet = `${random.pick(MACS)}${random.pick(MACS.slice(0, 3))}${tags.join("")}`;
  const frame = `${ethernet}${random.pick([udp, arp])(random)}`.padEnd(120, "0");
  return `in_port=${1 + random.below(PORTS)} ${frame}`;
}

/**
 * The same with what few frames have: IP options, extension headers, messages of ICMP with packets
 * inside, LLC, odd lengths, headers cut short, bytes that contradict each other, 9000 bytes.
 */
export function oddFrameText(random: Random): string {
  const tags = Array.from(
    { length: random.pick([0, 0, 0, 1, 2]) },
    () => `${random.pick(TYPES)}${random.pick(TAGS)}`,
  );
  const ethernet = `${random.pick(MACS)}${random.pick(MACS.slice(0, 3))}${tags.join("")}`;
  const payload = random.pick([ipv4, ipv4, ipv6, ipv6, udp, arp, other])(random);
  let frame = `${ethernet}${payload}`;
  if (random.below(4) === 0) frame = frame.slice(0, 2 * (14 + random.below(frame.length / 2 - 13)));
  if (random.below(4) === 0) {
    const at = 2 * (12 + random.below(frame.length / 2 - 12));
    frame = `${frame.slice(0, at)}${bytes(random, 1)}${frame.slice(at + 2)}`;
  }
  if (random.below(3) === 0) frame += "00".repeat(random.pick([1, 3, 46, 300]));
  return `in_port=${1 + random.below(PORTS)} ${frame}`;
}

/** UDP, whole or the first or last fragment. */
function udp(random: Random): string {
  const fragment = random.pick(["0000", "0000", "4000", "2000", "0010"]);
  const addresses = `${random.pick(ADDRESSES)}${random.pick(ADDRESSES)}`;
  const header = `0800450000200000${fragment}40110000${addresses}`;
  return `${header}${random.pick(["00500051", "00350035"])}000c0000`;
}

function arp(random: Random): string {
  const [sender, target] = [random.pick(MACS), random.pick(MACS)];
  const head = `0806000108000604${random.pick(["0001", "0002"])}`;
  return `${head}${sender}${random.pick(ADDRESSES)}${target}${random.pick(ADDRESSES)}`;
}

/** Headers above IP, by protocol. */
function transport(random: Random, protocol: number): string {
  const ports = `${random.pick(["0050", "0035", "ffff"])}${random.pick(["0051", "01bb"])}`;
  switch (protocol) {
    case 6: {
      const length = random.pick(["5", "5", "8", "4", "f"]);
      const flags = random.pick(["02", "10", "ff"]);
      return `${ports}${bytes(random, 8)}${length}0${flags}${bytes(random, 6)}`;
    }
    case 17:
      return `${ports}${random.pick(["0008", "0000", "ffff"])}0000${bytes(random, 4)}`;
    case 132:
      return `${ports}${bytes(random, 8)}01000014${bytes(random, 16)}`;
    case 58: {
      const type = random.pick(["80", "87", "88", "01", "03", "86"]);
      const option = `${random.pick(["01", "02", "05"])}${random.pick(["01", "01", "02", "00"])}`;
      const options = random.pick(["", `${option}${random.pick(MACS)}`]);
      const code = random.pick(["00", "00", "04"]);
      return `${type}${code}0000${bytes(random, 4)}${random.pick(V6)}${options}`;
    }
    case 1: {
      // An error, with the packet that it is about.
      const inner = `4500001c00000000401100000a0000010a0000020050005100080000`;
      return `${random.pick(["0301", "0b00", "0800", "0000"])}0000${bytes(random, 4)}${inner}`;
    }
    default:
      return bytes(random, random.below(24));
  }
}

function ipv4(random: Random): string {
  const protocol = random.pick([6, 6, 17, 132, 1, 2, 47, 4, 58]);
  const options = "01".repeat(random.pick([0, 0, 0, 4, 40]));
  const payload = transport(random, protocol);
  const length = 20 + (options.length + payload.length) / 2;
  const header = `4${hex(5 + options.length / 8, 1)}`;
  const fragment = random.pick(["0000", "0000", "0000", "4000", "2000", "0010", "2010", "8000"]);
  const rest = `${hex(random.pick([0, 1, 2, 64]), 2)}${hex(protocol, 2)}0000`;
  const addresses = `${random.pick(ADDRESSES)}${random.pick(ADDRESSES)}`;
  const tos = random.pick(["00", "b9", "03"]);
  const head = `0800${header}${tos}${hex(length, 4)}0001${fragment}`;
  return `${head}${rest}${addresses}${options}${payload}`;
}

/** With 0 to 3 extension headers. */
function ipv6(random: Random): string {
  let next = random.pick([6, 17, 132, 58, 58, 59, 1]);
  let payload = transport(random, next);
  for (let n = random.pick([0, 0, 1, 1, 2, 3]); n > 0; n--) {
    const kind = random.pick([0, 43, 44, 51, 60]);
    const more = random.pick([0, 0, 1]);
    const fragment = random.pick(["0000", "0001", "0009", "0100"]);
    const body =
      kind === 44
        ? `00${fragment}${bytes(random, 4)}`
        : `${hex(kind === 51 ? 2 * more : more, 2)}${bytes(random, 6 + 8 * more)}`;
    payload = `${hex(next, 2)}${body}${payload}`;
    next = kind;
  }
  const head = `6${random.pick(["00", "b9", "03"])}${random.pick(["00000", "00001", "fffff"])}`;
  const lengths = `${hex(payload.length / 2, 4)}${hex(next, 2)}${random.pick(["40", "01", "00"])}`;
  return `86dd${head}${lengths}${random.pick(V6)}${random.pick(V6)}${payload}`;
}

/** LLC with and without SNAP, and types that nobody looks into. */
function other(random: Random): string {
  const big = "00".repeat(9000);
  return random.pick([
    `0026aaaa030000000800${udp(random).slice(4)}`,
    `0026aaaa0300000088cc${bytes(random, 20)}`,
    `0026424203${bytes(random, 35)}`,
    `88cc${bytes(random, 30)}`,
    `05ff${bytes(random, 46)}`,
    `0600${bytes(random, 46)}`,
    `${udp(random)}${random.pick([bytes(random, 3), big])}`,
  ]);
}
