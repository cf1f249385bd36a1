// Shutdown of a link endpoint, after gVisor's pkg/tcpip/link/fdbased: one dispatch loop per queue,
// each with N processors, and Attach(nil), which stops them. The parameters make the layouts that
// it had from 2023 to 2025, and some that it never had. As it stands here: the repaired one.
//
// The explorer reads this text. The endpoint of packetpath itself (src/worker/endpoint) runs the
// same functions on real threads: the build gives them src/sync/program for "packetpath/explore",
// and there a queue of a real device stands behind each cell of `fd`.
import {
  add,
  alloc,
  assert,
  cas,
  choose,
  clearBits,
  FREE,
  free,
  goLock,
  goUnlock,
  ld,
  program,
  read,
  rlock,
  runlock,
  rwlock,
  rwunlock,
  setBits,
  st,
  waitUntil,
  waitWhile,
  wgAdd,
  wgDone,
  wgWait,
  write,
} from "packetpath/explore";

export const parameters = {
  /** Queues, each with its loop; 1 or 2. */
  queues: 1,
  /** Packets of each queue that are there at the start, and that come at any time. */
  packets: 1,
  arriving: 0,
  /** Processors of each loop; with 1 the loop delivers by itself. 1 or 2. */
  processors: 1,
  /** Attach(nil) gives the lock back before it waits for the loops, or after, or has none. */
  lock: "until-wait" as "until-wait" | "through-wait" | "none",
  /** The loop takes the lock for the address of each packet (dd011f2e9). */
  locksAddress: true,
  /** Whoever delivers looks at the dispatcher before use (6a7e4c210). */
  checksDispatcher: true,
  /** The loop keeps the address's lock while it delivers, which takes it again. */
  locksTwice: false,
  /** The loop looks for the stop in each round, not only when there is nothing to read. */
  checksStopEachRound: false,
  /** There is always one packet more. */
  flood: false,
  /** Frames for another host end the loop (before #14448), and the first frame is one. */
  foreignFrame: "none" as "none" | "skipped" | "ends-loop",
  /** The stopper holds the lock of the stack meanwhile, which delivery takes for reading. */
  stackLock: "none" as "none" | "released" | "held",
  /** The handler of a packet calls Attach(nil), or asks the stopper to do it. */
  handlerStops: "never" as "never" | "calls" | "posts",
  /** What another goroutine does: nothing, IsAttached, Attach(nil), Attach(another). */
  other: "none" as "none" | "is-attached" | "stops" | "attaches" | "attaches-after",
  /** A loop makes its buffers ready before it reads, and a second Attach's loop has the same. */
  sharesBuffers: false,
  /** Each Attach has a wait group of its own. */
  ownGroups: false,
  /** Attach(another) empties the eventfd first. */
  drainsStop: false,
  /** The stopper closes the file descriptors when Attach(nil) has returned. */
  closes: false,
  /** Attach(nil) waits for the processors, too. */
  waitsForProcessors: false,
  /** Calls of Attach come one after the other, each to its end. */
  oneAtATime: false,
  /** The thread of a loop that has ended waits for the next Attach. */
  keepsThreads: false,
  /** The device goes away at any time; its loops end by themselves. */
  vanishes: false,
};

/** In `fd` and `inbox`: the stop eventfd is readable; the processor is to end. */
export const STOP = 256;
/** In `fd`: the next packet is for another host. */
export const FOREIGN = 512;
/** In `fd`: the device is gone, and every read fails. */
export const GONE = 1024;
/** In `fd` and `inbox`: packets that wait. */
const PACKETS = 255;

export interface Endpoint {
  mu: number;
  /** Held for a whole call of Attach. */
  control: number;
  stackMu: number;
  wg: number[];
  processorsWg: number;
  /** Of each queue. */
  fd: number[];
  buffers: number[];
  /** Of each queue and processor. */
  inbox: number[][];
  /** Loops that an Attach has started, by queue; Attaches take turns with the two rows. */
  started: number[][];
  dispatcher: number;
  address: number;
  /** What a dispatcher is: how many packets it got. */
  stack: number;
  dropped: number;
  /** How often loops have been started. */
  rounds: number;
  /** Loops that run. */
  running: number;
  file: number;
  /** How often the loops have been told to stop. */
  asked: number;
  isAttached: number;
  isDetached: number;
  /** A handler has asked for the stop. */
  posted: number;
}

/** endpoint.Attach(dispatcher): starts the loops, unless they run. */
export function attach(e: Endpoint) {
  if (parameters.oneAtATime) goLock(e.control);
  if (parameters.lock !== "none") rwlock(e.mu);
  if (read(e.dispatcher) === 0) {
    write(e.dispatcher, e.stack);
    const round = add(e.rounds, 1);
    for (let k = 0; k < parameters.queues; k++) {
      if (parameters.drainsStop) clearBits(e.fd[k]!, STOP);
      wgAdd(groupOf(e, round), 1);
      if (parameters.other === "stops") add(e.running, 1);
      st(e.started[round & 1]![k]!, 1);
    }
  }
  if (parameters.lock !== "none") rwunlock(e.mu);
  if (parameters.oneAtATime) goUnlock(e.control);
}

/** endpoint.Attach(nil): stops the loops and waits for them. */
export function detach(e: Endpoint) {
  if (parameters.oneAtATime) goLock(e.control);
  stop(e);
  if (parameters.oneAtATime) goUnlock(e.control);
}

function stop(e: Endpoint) {
  if (parameters.lock !== "none") rwlock(e.mu);
  const isAttached = read(e.dispatcher) !== 0;
  if (isAttached) {
    add(e.asked, 1);
    for (let k = 0; k < parameters.queues; k++) setBits(e.fd[k]!, STOP);
  }
  if (parameters.lock === "until-wait") {
    if (isAttached) write(e.dispatcher, 0);
    rwunlock(e.mu);
    if (isAttached) waitForLoops(e);
    return;
  }
  if (isAttached) {
    waitForLoops(e);
    write(e.dispatcher, 0);
  }
  if (parameters.lock === "through-wait") rwunlock(e.mu);
}

function waitForLoops(e: Endpoint) {
  wgWait(groupOf(e, parameters.ownGroups ? ld(e.rounds) - 1 : 0));
  if (parameters.waitsForProcessors) wgWait(e.processorsWg);
}

/** The wait group of the loops of a round. */
function groupOf(e: Endpoint, round: number): number {
  return e.wg[parameters.ownGroups ? round & 1 : 0]!;
}

/** What a loop has read. */
const NOTHING = 0;
const PACKET = 1;
const FOREIGN_PACKET = 2;

/** rawfile.BlockingReadvUntilStopped: a packet, or NOTHING: the loop is to end. */
function readPacket(e: Endpoint, k: number): number {
  const fd = e.fd[k]!;
  for (;;) {
    const state = ld(fd);
    if ((state & GONE) !== 0) return NOTHING;
    if (parameters.checksStopEachRound && (state & STOP) !== 0) return NOTHING;
    if ((state & PACKETS) !== 0) {
      const kind = (state & FOREIGN) === 0 ? PACKET : FOREIGN_PACKET;
      if (parameters.flood || cas(fd, state, (state & ~FOREIGN) - 1) === state) return kind;
      continue;
    }
    // Nothing to read: poll of the file and of the stop's eventfd.
    if ((waitWhile(fd, 0) & STOP) !== 0) return NOTHING;
  }
}

/** The loop of a queue (dispatchLoop), once it is started. `round` is 0 for the first Attach. */
export function runLoop(e: Endpoint, k: number, round: number) {
  const started = e.started[round & 1]![k]!;
  waitUntil(started, 1);
  if (parameters.keepsThreads) st(started, 0);
  for (let count = 0; ; count = parameters.flood ? 0 : count + 1) {
    if (parameters.sharesBuffers) write(e.buffers[k]!, round);
    const found = readPacket(e, k);
    if (found === NOTHING) break;
    if (parameters.locksAddress) rlock(e.mu);
    read(e.address);
    if (parameters.locksAddress && !parameters.locksTwice) runlock(e.mu);
    if (found === FOREIGN_PACKET) {
      add(e.dropped, 1);
      if (parameters.foreignFrame === "ends-loop") break;
    } else if (parameters.processors === 1) deliver(e);
    else add(e.inbox[k]![count % parameters.processors]!, 1);
    if (parameters.locksAddress && parameters.locksTwice) runlock(e.mu);
  }
  const hasReason = ld(e.asked) > round || (ld(e.fd[k]!) & GONE) !== 0;
  assert(hasReason, "the loop ends though nobody has stopped it: attached, and deaf");
  if (parameters.processors > 1) for (const inbox of e.inbox[k]!) setBits(inbox, STOP);
  if (parameters.other === "stops") add(e.running, -1);
  wgDone(groupOf(e, round));
}

/** The thread of a queue's loop; of its second round only where the first has another thread. */
function loop(k: number, first: number) {
  return (e: Endpoint) => {
    const rounds = parameters.other.startsWith("attach") ? 2 : 1;
    const end = first === 0 && !parameters.keepsThreads ? 1 : rounds;
    const begin = first === 1 && parameters.keepsThreads ? end : first;
    if (k >= parameters.queues) return;
    for (let round = begin; round < end; round++) runLoop(e, k, round);
  };
}

/** A processor of a queue: delivers what its loop hands it, until the loop has ended. */
function processor(k: number, i: number) {
  return (e: Endpoint) => {
    if (parameters.processors === 1 || k >= parameters.queues) return;
    const inbox = e.inbox[k]![i]!;
    for (;;) {
      const state = waitWhile(inbox, 0);
      // Of two wakers, either may be seen first.
      const isEnd = state === STOP || ((state & STOP) !== 0 && choose(2) === 0);
      if (isEnd) {
        if (state !== STOP) add(e.dropped, state & PACKETS);
        if (parameters.waitsForProcessors) wgDone(e.processorsWg);
        return;
      }
      add(inbox, -1);
      deliver(e);
    }
  };
}

/** Hands a packet to the network stack, which may answer. */
function deliver(e: Endpoint) {
  const hasLock = parameters.lock !== "none";
  if (hasLock) rlock(e.mu);
  const dispatcher = read(e.dispatcher);
  if (hasLock) runlock(e.mu);
  if (dispatcher === 0 && parameters.checksDispatcher) {
    if (!parameters.flood) add(e.dropped, 1);
    return;
  }
  if (parameters.flood) ld(dispatcher);
  else add(dispatcher, 1);
  if (parameters.handlerStops === "calls") detach(e);
  if (parameters.handlerStops === "posts") st(e.posted, 1);
  if (parameters.stackLock !== "none") {
    // An echo request is answered: FindRoute.
    rlock(e.stackMu);
    runlock(e.stackMu);
  }
  if (parameters.closes) ld(ld(e.file));
}

/** The cells of an endpoint of so many queues; in each `fd` what is there at the start. */
export function cellsOf(queues: number, fd: number) {
  const zeros = Array.from({ length: queues }, () => 0);
  return {
    fd: zeros.map(() => fd),
    buffers: zeros,
    inbox: zeros.map(() => [0, 0]),
    started: [zeros, zeros],
    dispatcher: 0,
    address: 0,
    stack: 0,
    dropped: 0,
    rounds: 0,
    running: 0,
    file: 0,
    asked: 0,
    isAttached: 0,
    isDetached: 0,
    posted: 0,
  };
}

export const locks = {
  mu: FREE,
  control: FREE,
  stackMu: FREE,
  wg: [FREE, FREE],
  processorsWg: FREE,
} as const;

const isFirstForeign = parameters.foreignFrame !== "none" && parameters.packets > 0;

export default program({
  name: "endpoint",
  cells: cellsOf(2, parameters.packets | (isFirstForeign ? FOREIGN : 0)),
  locks,
  heap: 1,
  threads: {
    stopper(e: Endpoint) {
      if (parameters.closes) {
        const file = alloc(1);
        st(file, 1);
        st(e.file, file);
      }
      if (parameters.waitsForProcessors) {
        wgAdd(e.processorsWg, parameters.queues * parameters.processors);
      }
      attach(e);
      if (parameters.other !== "none") st(e.isAttached, 1);
      // Nobody else stops it.
      if (parameters.handlerStops === "calls") return;
      if (parameters.handlerStops === "posts") waitUntil(e.posted, 1);
      if (parameters.stackLock === "held") rwlock(e.stackMu);
      detach(e);
      if (parameters.stackLock === "held") rwunlock(e.stackMu);
      if (parameters.other === "attaches-after") st(e.isDetached, 1);
      if (parameters.closes) free(ld(e.file));
    },
    loop0: loop(0, 0),
    loop1: loop(1, 0),
    processor00: processor(0, 0),
    processor01: processor(0, 1),
    processor10: processor(1, 0),
    processor11: processor(1, 1),
    network(e: Endpoint) {
      for (let i = 0; i < parameters.arriving; i++) {
        for (let k = 0; k < parameters.queues; k++) add(e.fd[k]!, 1);
      }
      if (!parameters.vanishes) return;
      for (let k = 0; k < parameters.queues; k++) setBits(e.fd[k]!, GONE);
    },
    other(e: Endpoint) {
      if (parameters.other === "none") return;
      waitUntil(e.isAttached, 1);
      if (parameters.other === "is-attached") read(e.dispatcher);
      if (parameters.other === "stops") {
        detach(e);
        assert(ld(e.running) === 0, "Attach(nil) has returned, and a loop still runs");
      }
      if (parameters.other.startsWith("attach")) {
        if (parameters.other === "attaches") waitUntil(e.asked, 1);
        else waitUntil(e.isDetached, 1);
        attach(e);
        detach(e);
      }
    },
    again0: loop(0, 1),
    again1: loop(1, 1),
  },
  final({ fd, stack, dropped }: Endpoint) {
    if (parameters.flood) return;
    let taken = 0;
    for (let k = 0; k < parameters.queues; k++) {
      taken += parameters.packets + parameters.arriving - (ld(fd[k]!) & PACKETS);
    }
    assert(taken === ld(stack) + ld(dropped), "a packet was neither delivered nor counted");
  },
});
