// Destinations that a switch does not forward (Open vSwitch 3.1, lib/packets.c
// eth_addr_is_reserved): link-local protocols of IEEE 802.1, of Extreme and of Cisco.
// Called by NORMAL and by mirrors, in the translation of each worker.

/** @param high,low the address: its first four bytes, its last two. */
export function isReserved(high: number, low: number): boolean {
  switch (high >>> 0) {
    case 0x0180c200:
      return low <= 0x000f;
    case 0x00e02b00:
      return low === 0x0000 || low === 0x0004 || low === 0x0006;
    case 0x01000c00:
      return low === 0x0000;
    case 0x01000ccc:
      return low === 0xcccc || low === 0xcccd || (low >= 0xccc0 && low <= 0xccc7);
    case 0x01000ccd:
      return low === 0xcdcd;
    default:
      return false;
  }
}
