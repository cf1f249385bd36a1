// What TOA keeps in sk_user_data of an IPv4 socket (DPVS, kmod/toa/toa.c): the 8 bytes of the
// option themselves, or for the 20 bytes of an IPv6 client a pointer, which only a flag tells
// apart. As it stands here: repaired.
import { alloc, free, ld, program, st } from "packetpath/explore";

const parameters = {
  /** The client's option: 8 bytes (IPv4) or 20 (IPv6). */
  option: 20 as 8 | 20,
  /** TOA_NAT64_ENABLE: the flag is set, and destroying the socket looks at it. */
  nat64: false,
  /** Without NAT64, an option of 20 bytes is left alone on an IPv4 socket, or taken. */
  withoutNat64: "left-alone" as "left-alone" | "taken",
};

/** What the 8 bytes of an option begin with: kind 254, length 8. */
const EIGHT_BYTES = 0x08fe;

interface Socket {
  userData: number;
  /** The socket's nat64 flag. */
  flag: number;
}

/** get_toa_data, by a segment that ends a handshake. */
function take({ userData, flag }: Socket) {
  if (parameters.option === 8) {
    st(userData, EIGHT_BYTES);
    return;
  }
  if (!parameters.nat64 && parameters.withoutNat64 === "left-alone") return;
  const entry = alloc(1);
  if (entry === 0) return;
  st(userData, entry);
  if (parameters.nat64) st(flag, 1);
}

export default program({
  name: "toa-user-data",
  cells: { userData: 0, flag: 0 },
  heap: 1,
  leaks: true,
  threads: {
    connection(socket: Socket) {
      take(socket);
      // tcp_v4_destroy_sock_toa.
      const data = ld(socket.userData);
      if (ld(socket.flag) === 1) free(data);
      st(socket.userData, 0);
    },
  },
});
