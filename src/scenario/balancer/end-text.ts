// Address and port as people write them. Pure; any thread.
import type { AddressWords } from "../../balancer/types.js";
import { formatIpv4, formatIpv6 } from "../../ofctl/text/addresses.js";

const MAPPED_PREFIX = 0xffffn;

/** `10.0.0.80:80`, `[fd00::80]:80` */
export function endText(words: AddressWords, port: number): string {
  const value = words.reduce((sum, word) => (sum << 32n) | BigInt(word >>> 0), 0n);
  if (value >> 32n === MAPPED_PREFIX) return `${formatIpv4(value & 0xffff_ffffn)}:${port}`;
  return `[${formatIpv6(value)}]:${port}`;
}
