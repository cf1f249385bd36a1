// Shutdown of a link endpoint, after gVisor's pkg/tcpip/link/fdbased: one dispatch loop per queue,
// each with N processors, and Attach(nil), which stops them. The parameters make the layouts that
// it had from 2023 to 2025, and some that it never had. As it stands here: the repaired one.
import {
  add,
  alloc,
  assert,
  cas,
  choose,
  clearBits,
  FREE,
  free,
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

const parameters = {
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
  /** The handler of a packet calls Attach(nil). */
  handlerStops: false,
  /** What another goroutine does: nothing, IsAttached, Attach(nil), Attach(another). */
  other: "none" as "none" | "is-attached" | "stops" | "attaches" | "attaches-after",
  /** Loops that are started by a second Attach share the buffers of the first ones. */
  sharesBuffers: false,
  /** Each Attach has a wait group of its own. */
  ownGroups: false,
  /** Attach(another) empties the eventfd first. */
  drainsStop: false,
  /** The stopper closes the file descriptors when Attach(nil) has returned. */
  closes: false,
  /** Attach(nil) waits for the processors, too. */
  waitsForProcessors: false,
};

/** In `fd` and `inbox`: the stop eventfd is readable; the processor is to end. */
const STOP = 256;
/** In `fd` and `inbox`: packets that wait. */
const PACKETS = 255;

interface Endpoint {
  mu: number;
  stackMu: number;
  wg: number[];
  processorsWg: number;
  /** Of each queue. */
  fd: number[];
  buffers: number[];
  /** Of each queue and processor. */
  inbox: number[][];
  /** Loops of a first and second Attach that have been started, by queue. */
  started: number[][];
  dispatcher: number;
  address: number;
  /** What a dispatcher is: how many packets it got. */
  stack: number;
  dropped: number;
  /** Which Attach was the last. */
  generation: number;
  /** Loops that run. */
  running: number;
  file: number;
  /** How often the loops have been told to stop. */
  asked: number;
  isAttached: number;
  isDetached: number;
}

/** endpoint.Attach(dispatcher): starts the loops. `round` is 0 for the first call. */
function attach(e: Endpoint, round: number) {
  if (parameters.lock !== "none") rwlock(e.mu);
  if (read(e.dispatcher) === 0) {
    write(e.dispatcher, e.stack);
    if (parameters.ownGroups) st(e.generation, round);
    for (let k = 0; k < parameters.queues; k++) {
      if (parameters.drainsStop) clearBits(e.fd[k]!, STOP);
      wgAdd(e.wg[parameters.ownGroups ? round : 0]!, 1);
      if (parameters.other === "stops") add(e.running, 1);
      st(e.started[round]![k]!, 1);
    }
  }
  if (parameters.lock !== "none") rwunlock(e.mu);
}

/** endpoint.Attach(nil): stops the loops and waits for them. */
function detach(e: Endpoint) {
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
  wgWait(e.wg[parameters.ownGroups ? ld(e.generation) : 0]!);
  if (parameters.waitsForProcessors) wgWait(e.processorsWg);
}

/** rawfile.BlockingReadvUntilStopped: whether there is a packet; else the loop is to end. */
function readPacket(e: Endpoint, k: number): boolean {
  const fd = e.fd[k]!;
  for (;;) {
    const state = ld(fd);
    if (parameters.checksStopEachRound && (state & STOP) !== 0) return false;
    if ((state & PACKETS) !== 0) {
      if (parameters.flood || cas(fd, state, state - 1) === state) return true;
      continue;
    }
    // Nothing to read: poll of the file and of the stop's eventfd.
    if ((waitWhile(fd, 0) & STOP) !== 0) return false;
  }
}

/** The loop of a queue (dispatchLoop), once it is started. */
function loop(k: number, round: number) {
  return (e: Endpoint) => {
    const isUsed = k < parameters.queues && (round === 0 || parameters.other.startsWith("attach"));
    if (!isUsed) return;
    waitUntil(e.started[round]![k]!, 1);
    for (let count = 0; readPacket(e, k); count = parameters.flood ? 0 : count + 1) {
      if (parameters.sharesBuffers) write(e.buffers[k]!, round);
      if (parameters.locksAddress) rlock(e.mu);
      read(e.address);
      if (parameters.locksAddress && !parameters.locksTwice) runlock(e.mu);
      if (parameters.foreignFrame !== "none" && count === 0) {
        add(e.dropped, 1);
        if (parameters.foreignFrame === "ends-loop") break;
      } else if (parameters.processors === 1) deliver(e);
      else add(e.inbox[k]![count % parameters.processors]!, 1);
      if (parameters.locksAddress && parameters.locksTwice) runlock(e.mu);
    }
    const isAsked = ld(e.asked) > round;
    assert(isAsked, "the loop ends though nobody has stopped it: attached, and deaf");
    if (parameters.processors > 1) for (const inbox of e.inbox[k]!) setBits(inbox, STOP);
    if (parameters.other === "stops") add(e.running, -1);
    wgDone(e.wg[parameters.ownGroups ? round : 0]!);
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
  if (parameters.handlerStops) detach(e);
  if (parameters.stackLock !== "none") {
    // An echo request is answered: FindRoute.
    rlock(e.stackMu);
    runlock(e.stackMu);
  }
  if (parameters.closes) ld(ld(e.file));
}

export default program({
  name: "endpoint",
  cells: {
    fd: [parameters.packets, parameters.packets],
    buffers: [0, 0],
    inbox: [
      [0, 0],
      [0, 0],
    ],
    started: [
      [0, 0],
      [0, 0],
    ],
    dispatcher: 0,
    address: 0,
    stack: 0,
    dropped: 0,
    generation: 0,
    running: 0,
    file: 0,
    asked: 0,
    isAttached: 0,
    isDetached: 0,
  },
  locks: { mu: FREE, stackMu: FREE, wg: [FREE, FREE], processorsWg: FREE },
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
      attach(e, 0);
      if (parameters.other !== "none") st(e.isAttached, 1);
      if (parameters.handlerStops) {
        // Nobody else stops it.
        return;
      }
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
        attach(e, 1);
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
