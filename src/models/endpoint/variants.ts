// The layouts of the endpoint's shutdown that were shipped, or could have been, with what exploring
// each comes to. Data; any thread. History: google/gvisor, pkg/tcpip/link/fdbased.
import type { VariedSystem } from "packetpath/explore";

/** Since dd011f2e9 (2024-09-16): the lock is held while the loops are waited for. */
const BUGGY = { lock: "through-wait" } as const;

/** 19c7ca8c3 (2024-05-01) to dd011f2e9: only who delivers takes the lock. */
const MAY_2024 = { lock: "through-wait", locksAddress: false } as const;

/** Before 13d7bf69d (2023-01-17): no lock at all. */
const BEFORE_2023 = { lock: "none", locksAddress: false, checksDispatcher: false } as const;

/**
 * The endpoint of packetpath itself (src/worker/endpoint): the repair, and what it leaves repaired
 * too. Calls of Attach take turns, which is both for a second Attach(nil) and for another Attach.
 */
export const SHIPPED = {
  oneAtATime: true,
  keepsThreads: true,
  checksStopEachRound: true,
  drainsStop: true,
  foreignFrame: "skipped",
} as const;

/** What can run on real threads: as shipped, and with the lock order that deadlocked. */
export const DESIGNS = {
  fixed: SHIPPED,
  buggy: { ...SHIPPED, lock: "through-wait" },
} as const;
export type Design = keyof typeof DESIGNS;

const DERIVED = "follows from the code of 2025; not reported upstream";
const OURS = "src/worker/endpoint of packetpath";

export const endpoint: VariedSystem = {
  name: "endpoint",
  title: "shutdown of a link endpoint (gVisor fdbased, Attach(nil))",
  file: "models/endpoint/endpoint.ts",
  variants: [
    {
      id: "G-B",
      what: "the lock is held while the loops are waited for; a loop takes it for each packet",
      parameters: BUGGY,
      verdict: "DEADLOCK",
      switches: 1,
      says: "loop0 waits for mu, held by stopper",
      source: "gvisor dd011f2e9 to e161bec8d; issue #11456",
    },
    {
      id: "G-B2",
      what: "G-B with two processors: the loop itself takes the lock, so their number is no help",
      parameters: { ...BUGGY, processors: 2 },
      verdict: "DEADLOCK",
      switches: 1,
      says: "loop0 waits for mu, held by stopper",
      source: "gvisor dd011f2e9 to e161bec8d",
    },
    {
      id: "G-B3",
      what: "G-B whose loop looks for the stop in each round: the packet was read before",
      parameters: { ...BUGGY, checksStopEachRound: true },
      verdict: "DEADLOCK",
      switches: 2,
      says: "loop0 waits for mu, held by stopper",
      source: DERIVED,
    },
    {
      id: "G-F",
      what: "repaired: the lock is given back, then the loops are waited for",
      parameters: {},
      verdict: "SAFE",
      source: "gvisor e161bec8d (2025-02-10)",
    },
    {
      id: "G-F2",
      what: "G-F with two queues, two packets each, one of them at any time",
      parameters: { queues: 2, arriving: 1 },
      verdict: "SAFE",
      source: "gvisor e161bec8d",
    },
    {
      id: "G-F3",
      what: "G-F with two processors and two packets",
      parameters: { processors: 2, arriving: 1 },
      verdict: "SAFE",
      source: "gvisor e161bec8d",
    },
    {
      id: "G-A",
      what: "no lock; the loops are waited for before the dispatcher is taken away",
      parameters: BEFORE_2023,
      verdict: "SAFE",
      source: "gvisor before 13d7bf69d",
    },
    {
      id: "G-A2",
      what: "G-A while another goroutine calls IsAttached",
      parameters: { ...BEFORE_2023, other: "is-attached" },
      verdict: "RACE",
      switches: 3,
      says: "dispatcher",
      source: "gvisor 13d7bf69d, which protects the dispatcher",
    },
    {
      id: "G-P1",
      what: "the lock is taken by who delivers only; with one processor that is the loop",
      parameters: MAY_2024,
      verdict: "DEADLOCK",
      switches: 1,
      says: "loop0 waits for mu, held by stopper",
      source: "gvisor 19c7ca8c3",
    },
    {
      id: "G-P2",
      what: "G-P1 with two processors: nobody waits for a processor",
      parameters: { ...MAY_2024, processors: 2 },
      verdict: "SAFE",
      source: "gvisor 6a7e4c210",
    },
    {
      id: "G-P2n",
      what: "G-P2 without the check: a processor delivers to a dispatcher that is nil",
      parameters: { ...MAY_2024, processors: 2, checksDispatcher: false },
      verdict: "NULL-DEREF",
      switches: 3,
      source: "gvisor 19c7ca8c3, repaired by 6a7e4c210",
    },
    {
      id: "G-S",
      what: "repaired, but the stack's lock is held around Attach(nil), and an answer needs it",
      parameters: { stackLock: "held" },
      verdict: "DEADLOCK",
      switches: 2,
      says: "loop0 waits for stackMu, held by stopper",
      source: DERIVED,
    },
    {
      id: "G-S2",
      what: "G-S with two processors: they are not waited for",
      parameters: { stackLock: "held", processors: 2 },
      verdict: "SAFE",
      source: DERIVED,
    },
    {
      id: "G-SF",
      what: "G-S repaired: the stack's lock is given back before Attach(nil)",
      parameters: { stackLock: "released" },
      verdict: "SAFE",
      source: DERIVED,
    },
    {
      id: "G-R",
      what: "the handler of a packet calls Attach(nil): the loop waits for itself",
      parameters: { handlerStops: "calls" },
      verdict: "DEADLOCK",
      switches: 1,
      says: "loop0 waits: the counter of wg[0] is 1",
      source: DERIVED,
    },
    {
      id: "G-R2",
      what: "G-R from a processor that is not the loop",
      parameters: { handlerStops: "calls", processors: 2 },
      verdict: "SAFE",
      source: DERIVED,
    },
    {
      id: "G-RF",
      what: "G-R repaired: the handler asks the stopper to do it",
      parameters: { handlerStops: "posts" },
      verdict: "SAFE",
      source: DERIVED,
    },
    {
      id: "G-L",
      what: "the stop is seen only when there is nothing to read, and there is always a packet",
      parameters: { flood: true },
      verdict: "LIVELOCK",
      switches: 1,
      source: DERIVED,
    },
    {
      id: "G-LF",
      what: "G-L repaired: the stop is looked for in each round",
      parameters: { flood: true, checksStopEachRound: true },
      verdict: "SAFE",
      source: DERIVED,
    },
    {
      id: "G-T",
      what: "Attach(another) between the unlock and the wait: the wait group is used again",
      parameters: { other: "attaches", packets: 0, drainsStop: true },
      verdict: "MISUSE",
      switches: 3,
      says: "WaitGroup is reused",
      source: DERIVED,
    },
    {
      id: "G-T2",
      what: "G-T with a wait group for each Attach: the loops of both share their buffers",
      parameters: {
        other: "attaches",
        packets: 0,
        sharesBuffers: true,
        drainsStop: true,
        ownGroups: true,
      },
      verdict: "RACE",
      switches: 3,
      says: "buffers",
      source: DERIVED,
    },
    {
      id: "G-T3",
      what: "Attach(another) after Attach(nil): nobody has emptied the eventfd, the loop ends",
      parameters: { other: "attaches-after" },
      verdict: "ASSERT",
      switches: 4,
      says: "attached, and deaf",
      source: DERIVED,
    },
    {
      id: "G-TF",
      what: "G-T3 repaired: Attach empties the eventfd",
      parameters: { other: "attaches-after", drainsStop: true },
      verdict: "SAFE",
      source: DERIVED,
    },
    {
      id: "G-TF2",
      what: "G-T repaired: calls of Attach take turns, so that the other one waits",
      parameters: { other: "attaches", drainsStop: true, oneAtATime: true },
      verdict: "SAFE",
      source: DERIVED,
    },
    {
      id: "G-I",
      what: "a second Attach(nil) finds no dispatcher and returns before the loops have ended",
      parameters: { other: "stops" },
      verdict: "ASSERT",
      switches: 1,
      says: "Attach(nil) has returned, and a loop still runs",
      source: DERIVED,
    },
    {
      id: "G-I2",
      what: "before the repair it waited for the lock, so for the loops (no packet is there)",
      parameters: { ...BUGGY, other: "stops", packets: 0 },
      verdict: "SAFE",
      source: "gvisor before e161bec8d",
    },
    {
      id: "G-IF",
      what: "G-I repaired: calls of Attach take turns, so that the second one waits",
      parameters: { other: "stops", oneAtATime: true },
      verdict: "SAFE",
      source: DERIVED,
    },
    {
      id: "G-C",
      what: "the files are closed when Attach(nil) has returned; a processor still answers",
      parameters: { closes: true, processors: 2 },
      verdict: "USE-AFTER-FREE",
      switches: 6,
      source: DERIVED,
    },
    {
      id: "G-C1",
      what: "G-C with one processor, which the wait covers",
      parameters: { closes: true },
      verdict: "SAFE",
      source: DERIVED,
    },
    {
      id: "G-CF",
      what: "G-C repaired: the processors are waited for, too",
      parameters: { closes: true, processors: 2, waitsForProcessors: true },
      verdict: "SAFE",
      source: DERIVED,
    },
    {
      id: "G-X",
      what: "a frame for another host ends the loop",
      parameters: { foreignFrame: "ends-loop", packets: 2 },
      verdict: "ASSERT",
      switches: 1,
      says: "attached, and deaf",
      source: "gvisor before #14448",
    },
    {
      id: "G-XF",
      what: "G-X repaired: the frame is counted, and the next one delivered",
      parameters: { foreignFrame: "skipped", packets: 2 },
      verdict: "SAFE",
      source: "gvisor #14448",
    },
    {
      id: "G-W",
      what: "the loop delivers with the address's lock held: it reads twice, a writer in between",
      parameters: { locksTwice: true },
      verdict: "DEADLOCK",
      switches: 3,
      source: "law of sync.RWMutex",
    },
    {
      id: "G-H",
      what: "packetpath's own: a foreign frame, another packet, and one more at any time",
      parameters: { ...SHIPPED, packets: 2, arriving: 1 },
      verdict: "SAFE",
      source: OURS,
    },
    {
      id: "G-H2",
      what: "G-H, with two queues instead of one",
      parameters: { ...SHIPPED, queues: 2 },
      verdict: "SAFE",
      source: OURS,
    },
    {
      id: "G-HB",
      what: "G-H that keeps the lock while it waits: what runs as design buggy",
      parameters: { ...DESIGNS.buggy, packets: 2 },
      verdict: "DEADLOCK",
      switches: 2,
      says: "loop0 waits for mu, held by stopper",
      source: OURS,
    },
    {
      id: "G-HL",
      what: "G-H under a flood without an end",
      parameters: { ...SHIPPED, foreignFrame: "none", flood: true },
      verdict: "SAFE",
      source: OURS,
    },
    {
      id: "G-HT",
      what: "G-H with Attach(another) at any time, whose loop is the first one's thread",
      parameters: { ...SHIPPED, other: "attaches", sharesBuffers: true },
      verdict: "SAFE",
      source: OURS,
    },
    {
      id: "G-HI",
      what: "G-H with a second Attach(nil)",
      parameters: { ...SHIPPED, other: "stops" },
      verdict: "SAFE",
      source: OURS,
    },
    {
      id: "G-HR",
      what: "G-H whose handler asks for the stop",
      parameters: { ...SHIPPED, packets: 2, handlerStops: "posts" },
      verdict: "SAFE",
      source: OURS,
    },
    {
      id: "G-HG",
      what: "G-H whose device goes away at any time",
      parameters: { ...SHIPPED, vanishes: true },
      verdict: "SAFE",
      source: OURS,
    },
  ],
};
