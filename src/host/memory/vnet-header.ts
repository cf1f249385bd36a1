// What a TAP or TUN device refuses from a writer: the checks of tun_get_user (drivers/net/tun.c)
// and virtio_net_hdr_to_skb (include/linux/virtio_net.h), in their order. Per frame, on queue
// workers. The header is little-endian: TUN devices have the host's byte order unless told.

/** Byte offsets of struct virtio_net_hdr. */
const FLAGS = 0;
const GSO_TYPE = 1;
const HDR_LEN = 2;
const GSO_SIZE = 4;
const CSUM_START = 6;
const CSUM_OFFSET = 8;
const STRUCT_BYTES = 10;
const VNET_HEADER_BYTES = 12;

const NEEDS_CSUM = 1;
const GSO_NONE = 0;
const GSO_TCPV4 = 1;
const GSO_UDP = 3;
const GSO_TCPV6 = 4;
const GSO_UDP_L4 = 5;
const GSO_ECN = 0x80;
const ETH_HLEN = 14;

/** The frame is bad: -EINVAL. */
export const REFUSED = -1;
/** Fine, checksums complete. */
export const COMPLETE = 0;
/** Fine, checksums partial, or a super-frame whose segments do not exist yet. */
export const PARTIAL = 1;

function le16(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8);
}

/**
 * Judges what is to be written.
 * @param vnetHeaderBytes bytes of vnet header in front of the frame, 0 for none.
 * @param tap a frame is expected; otherwise an IP packet.
 * @returns REFUSED, COMPLETE or PARTIAL.
 */
export function checkWrite(
  bytes: Uint8Array,
  offset: number,
  length: number,
  vnetHeaderBytes: number,
  tap: boolean,
): number {
  const size = length - vnetHeaderBytes;
  if (size < 0) return REFUSED;
  const at = offset + vnetHeaderBytes;
  if (tap ? size < ETH_HLEN : size === 0) return REFUSED;
  let verdict = COMPLETE;
  if (vnetHeaderBytes !== 0) {
    verdict = checkHeader(bytes, offset, length - STRUCT_BYTES, tap);
    if (verdict === REFUSED) return REFUSED;
  }
  if (!tap) {
    const version = bytes[at]! >> 4;
    if (version !== 4 && version !== 6) return REFUSED;
  }
  return verdict;
}

// hdr_len is compared with what follows the 10 bytes of the struct, before the other two bytes of
// the 12-byte header are skipped: 62 passes for a frame of 60 bytes (Linux 6.18, seen).
function checkHeader(bytes: Uint8Array, at: number, rest: number, tap: boolean): number {
  const needsChecksum = (bytes[at + FLAGS]! & NEEDS_CSUM) !== 0;
  const checksumStart = le16(bytes, at + CSUM_START);
  const checksumEnd = checksumStart + le16(bytes, at + CSUM_OFFSET) + 2;
  let headerBytes = le16(bytes, at + HDR_LEN);
  if (needsChecksum && checksumEnd > headerBytes) headerBytes = checksumEnd;
  if (headerBytes > rest) return REFUSED;
  // skb_partial_csum_set knows the frame itself.
  if (needsChecksum && checksumEnd > rest - (VNET_HEADER_BYTES - STRUCT_BYTES)) return REFUSED;
  if (tap && headerBytes !== 0 && headerBytes < ETH_HLEN) return REFUSED;

  const gsoType = bytes[at + GSO_TYPE]!;
  const kind = gsoType & ~GSO_ECN;
  if (gsoType === GSO_NONE) return needsChecksum ? PARTIAL : COMPLETE;
  if (kind !== GSO_TCPV4 && kind !== GSO_TCPV6 && kind !== GSO_UDP && kind !== GSO_UDP_L4) {
    return REFUSED;
  }
  if (le16(bytes, at + GSO_SIZE) === 0) return REFUSED;
  return PARTIAL;
}
