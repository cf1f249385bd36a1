// Addresses as sockets say them, from text. Whoever asks a receiver for a peer. Any thread.
import { ipv4Number } from "../wire/ipv4.js";
import { ipv6Bytes } from "../wire/ipv6.js";
import {
  type ClientAddress,
  newClientAddress,
  setIpv4Client,
  setIpv6Client,
} from "../wire/options/toa.js";

export { type ClientAddress, newClientAddress };

const IPV4 = /^(?:::ffff:)?(\d{1,3}(?:\.\d{1,3}){3})$/i;
const IPV6 = /^[0-9a-f:]+$/i;

/**
 * Takes `10.0.0.1`, `fd00::1` or `::ffff:10.0.0.1`, which is an IPv4 address.
 * @param text as the kernel or Node prints it; whether its numbers are in range is not looked at.
 * @returns whether it is one of these.
 */
export function readAddressText(text: string, port: number, out: ClientAddress): boolean {
  const ipv4 = IPV4.exec(text)?.[1];
  if (ipv4 !== undefined) setIpv4Client(out, ipv4Number(ipv4), port);
  else if (IPV6.test(text)) setIpv6Client(out, ipv6Bytes(text), 0, port);
  else return false;
  return true;
}
