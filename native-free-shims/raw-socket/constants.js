// The constants of raw-socket 1.8.1: its own numbers for families, the kernel's for the rest
// (asm-generic/socket.h, linux/in.h, linux/in6.h). Data only, on any thread.

/** Names to numbers and numbers to names in one object, as raw-socket has it. */
function bothWays(byName) {
  const table = {};
  for (const [name, number] of Object.entries(byName)) {
    table[number] = name;
    table[name] = number;
  }
  return table;
}

export const AddressFamily = bothWays({ IPv4: 1, IPv6: 2 });

export const Protocol = bothWays({ None: 0, ICMP: 1, TCP: 6, UDP: 17, ICMPv6: 58 });

export const SocketLevel = { SOL_SOCKET: 1, IPPROTO_IP: 0, IPPROTO_IPV6: 41 };

export const SocketOption = {
  SO_BROADCAST: 6,
  SO_RCVBUF: 8,
  SO_RCVTIMEO: 20,
  SO_SNDBUF: 7,
  SO_SNDTIMEO: 21,
  SO_BINDTODEVICE: 25,
  IP_HDRINCL: 3,
  IP_OPTIONS: 4,
  IP_TOS: 1,
  IP_TTL: 2,
  // No system has an option of this name; raw-socket gives it the meaning of the next one.
  IPV6_TTL: 16,
  IPV6_UNICAST_HOPS: 16,
  IPV6_V6ONLY: 26,
};
