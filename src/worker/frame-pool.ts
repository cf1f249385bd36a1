// The frame pool: one SharedArrayBuffer, two slots per worker: one for the frame in hand, because a
// worker runs each frame to completion before it reads the next, and one for datagrams that leave
// together (datagram-writer.ts). Nothing is allocated per frame. Behind them lies a short slot per
// worker for a frame that the switch makes itself (balancer/balancer-port.ts).
//
//   slot:  | headroom 64 | vnet header 12 | frame, up to 65 549 + a VLAN tag ... |
//
// The headroom lets a VLAN tag be pushed in front without moving the frame: the 12 bytes of MAC
// addresses and the vnet header move instead.

export const HEADROOM_BYTES = 64;
/** A super-frame of 64 KiB with its Ethernet header, two tags and the vnet header, rounded up. */
export const FRAME_BYTES_MAX = 65_536 + 14 + 8;
export const VNET_BYTES = 12;
export const SLOT_BYTES = Math.ceil((HEADROOM_BYTES + VNET_BYTES + FRAME_BYTES_MAX) / 128) * 128;

/** Headroom, vnet header, and a frame of at most 180 bytes. */
const SHORT_SLOT_BYTES = 256;

export function newPool(workers: number): SharedArrayBuffer {
  return new SharedArrayBuffer(workers * (2 * SLOT_BYTES + SHORT_SLOT_BYTES));
}

/** Byte offset of a worker's slot for a short frame of the switch's own. */
export function shortSlotOffset(workers: number, worker: number): number {
  return 2 * workers * SLOT_BYTES + worker * SHORT_SLOT_BYTES;
}

/** Byte offset of a worker's slot for the frame in hand. */
export function slotOffset(worker: number): number {
  return 2 * worker * SLOT_BYTES;
}

/** Byte offset of a worker's slot for datagrams that leave together. */
export function runSlotOffset(worker: number): number {
  return slotOffset(worker) + SLOT_BYTES;
}
