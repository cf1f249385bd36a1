// The two fields of the vnet header that the transmit path needs (virtio_net_hdr, little endian on
// the machines we run on). Any thread; the full format is in wire/vnet-header.ts.
import type { Frame } from "../datapath/datapath.js";

const GSO_TYPE = 1;
const GSO_SIZE = 4;

/** gso_size of a frame: 0 for an ordinary frame, the segment size of a super-frame. */
export function gsoSizeOf(frame: Frame): number {
  const at = frame.vnetOffset;
  if (at < 0 || frame.bytes[at + GSO_TYPE] === 0) return 0;
  return (frame.bytes[at + GSO_SIZE] as number) | ((frame.bytes[at + GSO_SIZE + 1] as number) << 8);
}
