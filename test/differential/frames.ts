// Random frames as bytes, for `ofproto/trace`: what the text of a flow has no words for, such as a
// second tag.
import type { Random } from "../../src/base/random.js";
import { PORTS } from "./ovs.js";

const MACS = ["020000000001", "020000000002", "0a0b0c0d0e0f", "ffffffffffff", "01005e000001"];
const TYPES = ["8100", "8100", "88a8"];
const TAGS = ["0001", "0002", "0064", "2001", "e064", "0000"];
const ADDRESSES = ["0a000001", "0a000002", "c0a80001"];

/** Arguments of `ofproto/trace` behind the bridge: a port, and a frame in hex with 0 to 3 tags. */
export function frameText(random: Random): string {
  const tags = Array.from(
    { length: random.below(4) },
    () => `${random.pick(TYPES)}${random.pick(TAGS)}`,
  );
  const ethernet = `${random.pick(MACS)}${random.pick(MACS.slice(0, 3))}${tags.join("")}`;
  const frame = `${ethernet}${random.pick([ipv4, arp])(random)}`.padEnd(120, "0");
  return `in_port=${1 + random.below(PORTS)} ${frame}`;
}

/** UDP, whole or the first or last fragment. */
function ipv4(random: Random): string {
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
