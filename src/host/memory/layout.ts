// Where everything of the memory backend lies in its one SharedArrayBuffer, and who writes it.
// Read by every file of this room, on every thread; offsets are in 32-bit words unless they say
// otherwise. A word is only touched through Atomics, or under the lock that its table names.
//
//   header | namespaces | waiters | devices | flow tables | queues | events | cell meta | cells
//
// The buffer is large (130 MiB) but the kernel gives a page of it only when it is first written,
// and cells are handed out most-recently-freed first, so that a small run stays small.

/** Words of the header, at offset 0. */
export const HEADER = {
  /** Lock of the cell free list; protects `cellFree`, `cellHigh`, `cellsInUse`. */
  cellLock: 0,
  /** First free cell + 1, linked through the cells' meta word `nextFrame`; 0 = none. */
  cellFree: 1,
  /** Cells below this have been handed out at least once. */
  cellHigh: 2,
  /** Cells that are not on the free list (handles keep a few of them in their magazines). */
  cellsInUse: 3,
  /** Lock of everything that configures: namespaces, devices, queue attachment. Twin of RTNL. */
  deviceLock: 16,
  /** Makes device ids and MAC addresses unique. Under deviceLock. */
  deviceSerial: 17,
  /** Milliseconds, coarse: written by whoever goes to wait. Twin of jiffies. */
  jiffiesMs: 32,
  /** Lock of the link-event log, and the number of events ever logged. */
  eventLock: 48,
  eventCount: 49,
  /** Waiter slots below this have been in use. Written under waiterLock. */
  waiterLock: 52,
  waiterHigh: 53,
  /** Times a lock was taken from a thread that seems to have died with it. */
  lockSteals: 56,
} as const;

export const NAMESPACE_SLOTS = 64;
export const NAMESPACE_WORDS = 16;
export const NAMESPACE = {
  /** 1 while it exists. Under deviceLock. */
  used: 0,
  /** The next interface index; 1 is lo. Under deviceLock. */
  nextIfindex: 1,
  /** Protocol counters; added to by the namespace's protocol stack. */
  listenOverflows: 2,
  listenDrops: 3,
  retransmittedSegments: 4,
} as const;

export const WAITER_SLOTS = 1024;
/** A cache line pair each: the bell of one thread must not share a line with another's. */
export const WAITER_WORDS = 32;
export const WAITER = {
  /** 1 while a thread owns it. Under waiterLock. */
  used: 0,
  /** Grows with each owner, so that a handle of an earlier owner kicks nobody. */
  generation: 1,
  /** What Atomics.wait waits on; added to by every ringer. */
  bell: 2,
  /** 1 while the owner waits or is about to. Written by the owner. */
  sleeping: 3,
  /** 1 after a kick that has not been consumed. */
  kicked: 4,
} as const;

export const DEVICE_SLOTS = 64;
export const QUEUES_PER_DEVICE_MAX = 256;
export const DEVICE = {
  /** Id of the device that lives in this slot; 0 = none. Under deviceLock and rxLock. */
  id: 0,
  /** Index of its namespace. All up to `serial` are written under deviceLock. */
  namespace: 1,
  ifindex: 2,
  /** IFF_UP. */
  up: 3,
  carrier: 4,
  mtu: 5,
  txQueueLen: 6,
  /** Queue slots it was created with (`slots` holds them). */
  queues: 7,
  /** tun->numqueues: attached queues (`tfiles` holds their slots). */
  numqueues: 8,
  vnetHeaderBytes: 9,
  /** 1 = tap, 0 = tun. */
  tap: 10,
  /** 1: the transmit queue is a function of the flow; 0: it follows what was written (automq). */
  flowSteering: 11,
  /** 16 bytes, zero-terminated. */
  name: 12,
  /** Two words: bytes 0-3, bytes 4-5 of the MAC address, in network order. */
  mac: 16,
  /** Waiter + 1 of the protocol stack that receives from the device; 0 = nobody listens. */
  consumer: 20,
  /** Frames dropped at transmit for want of an attached queue, or with the carrier off. */
  txDroppedEarly: 21,
  /** Frames that the switch wrote while the device was down. */
  rxDropped: 22,
  /** Lock of the rx list: frames that the switch wrote and the namespace has not received. */
  rxLock: 32,
  rxHead: 33,
  rxTail: 34,
  rxCount: 35,
  /** Doubles, under rxLock: packets, bytes. Word offsets; both even. */
  rxPackets: 36,
  rxBytes: 38,
  /** Slot of each queue, by the index it was created with. */
  slots: 64,
  /** tun->tfiles: slots of the attached queues. A detach moves the last one into the hole. */
  tfiles: 64 + QUEUES_PER_DEVICE_MAX,
} as const;
export const DEVICE_WORDS = 64 + 2 * QUEUES_PER_DEVICE_MAX;

/** TUN_NUM_FLOW_ENTRIES of drivers/net/tun.c, here with four entries each (MAX_TAP_FLOWS 4096). */
export const FLOW_BUCKETS = 1024;
export const FLOW_WAYS = 4;
/** Two words an entry: tag (22 bits) and queue index + 1 (9 bits); time of the last update. */
export const FLOW_TABLE_WORDS = FLOW_BUCKETS * FLOW_WAYS * 2;

export const QUEUE_SLOTS = 4096;
export const QUEUE_SLOT_BITS = 12;
export const QUEUE_WORDS = 32;
export const QUEUE = {
  /** Part of the handle; a closed handle's generation matches no more. Under deviceLock. */
  generation: 0,
  /** One of QUEUE_STATE. Written under deviceLock and `lock`. */
  state: 1,
  /** Slot and id of the device it belongs to, or belonged to. */
  device: 2,
  deviceId: 3,
  /** tfile->queue_index: its place in `tfiles`. Under deviceLock. */
  index: 4,
  vnetHeaderBytes: 5,
  tap: 6,
  /** Waiter + 1 to ring when a frame arrives; 0 = nobody; ARMED_MANY = all waiters. */
  armed: 7,
  /** 1: the next read says EFAULT, since its reader slept when the device went. */
  efault: 8,
  /** Lock of the list of frames that wait to be read. */
  lock: 16,
  head: 17,
  tail: 18,
  count: 19,
  /** Doubles, under `lock`: frames and bytes read by the switch, frames dropped at enqueue. */
  txPackets: 20,
  txBytes: 22,
  txDropped: 24,
} as const;

export const QUEUE_STATE = { free: 0, attached: 1, detached: 2, gone: 3 } as const;

export const EVENT_SLOTS = 4096;
export const EVENT_WORDS = 12;
/** kind: 0 new, 1 changed, 2 deleted. All under eventLock. */
export const EVENT = { kind: 0, namespace: 1, ifindex: 2, up: 3, carrier: 4, name: 8 } as const;

export const CELL_COUNT = 65536;
export const CELL_BYTES = 2048;
export const CELL_META_WORDS = 8;
/** Meta of a cell. Written by whoever holds the frame; the links by the list's lock holder. */
export const CELL = {
  /** Next frame of the list that this frame is on (cell + 1), or next free cell + 1. */
  nextFrame: 0,
  /** Next cell of the same frame (cell + 1). */
  nextCell: 1,
  /** Bytes of the whole frame; in the first cell. */
  length: 2,
  /** 1: its checksums are partial or it is a super-frame (VIRTIO_NET_HDR_F_NEEDS_CSUM). */
  partial: 3,
  /** Flow hash (0: none) and tfile index of the queue it was written to. */
  hash: 4,
  rxQueue: 5,
} as const;

const HEADER_WORDS = 64;
export const NAMESPACES_AT = HEADER_WORDS;
export const WAITERS_AT = NAMESPACES_AT + NAMESPACE_SLOTS * NAMESPACE_WORDS;
export const DEVICES_AT = WAITERS_AT + WAITER_SLOTS * WAITER_WORDS;
export const FLOWS_AT = DEVICES_AT + DEVICE_SLOTS * DEVICE_WORDS;
export const QUEUES_AT = FLOWS_AT + DEVICE_SLOTS * FLOW_TABLE_WORDS;
export const EVENTS_AT = QUEUES_AT + QUEUE_SLOTS * QUEUE_WORDS;
export const CELL_META_AT = EVENTS_AT + EVENT_SLOTS * EVENT_WORDS;
export const CELLS_AT = CELL_META_AT + CELL_COUNT * CELL_META_WORDS;
const TOTAL_WORDS = CELLS_AT + (CELL_COUNT * CELL_BYTES) / 4;

/** The buffer with its views; one per thread. */
export interface Image {
  readonly shared: SharedArrayBuffer;
  readonly words: Int32Array;
  readonly bytes: Uint8Array;
  readonly doubles: Float64Array;
}

/** Views over an existing buffer. */
export function imageOf(shared: SharedArrayBuffer): Image {
  return {
    shared,
    words: new Int32Array(shared),
    bytes: new Uint8Array(shared),
    doubles: new Float64Array(shared),
  };
}

/** A new, empty backend. Only generations need a first value; all else begins as zero. */
export function createImage(): Image {
  const image = imageOf(new SharedArrayBuffer(TOTAL_WORDS * 4));
  for (let slot = 0; slot < QUEUE_SLOTS; slot++) {
    image.words[QUEUES_AT + slot * QUEUE_WORDS + QUEUE.generation] = 1;
  }
  return image;
}
