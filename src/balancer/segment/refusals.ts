// The closed list of reasons for which a segment is not edited, or not as asked. A function of this
// folder returns the index, 0 for "done"; whoever counts has one counter for each. Any thread.

export const REFUSALS = [
  ["none", "done"],
  ["not-ip", "neither IPv4 nor IPv6, or lengths that contradict each other"],
  ["fragment", "a fragment, or extension headers that end nowhere"],
  ["not-tcp-or-udp", "a transport without ports"],
  ["truncated", "the TCP or UDP header does not fit into the packet"],
  ["bad-vnet-header", "the vnet header contradicts the frame"],
  ["syn-or-rst", "addresses never travel in a SYN or RST"],
  ["signed", "the header is signed (MD5 or TCP-AO), which another option would break"],
  ["no-such-form", "an IPv6 address or packet in IPv4 options; protocol 248 in a super-frame"],
  ["unknown-mtu", "the MTU towards the server is not known"],
  ["needs-fragment", "longer than the MTU with the option"],
  ["no-room", "less room than the option needs in a header of 60 bytes"],
  ["no-buffer", "no free bytes in front of the frame"],
] as const satisfies readonly (readonly [string, string])[];

export type Refusal = (typeof REFUSALS)[number][0];

/** Index of each reason. */
export const REFUSAL = Object.fromEntries(REFUSALS.map(([name], index) => [name, index])) as {
  readonly [name in Refusal]: number;
};

/** The name under an index that a function of this folder returned. */
export function refusalName(index: number): Refusal {
  return REFUSALS[index]![0];
}
