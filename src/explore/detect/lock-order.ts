// What a lock graph lets one expect: circles of locks that different threads take in different
// orders, a reader that comes back for a lock that a writer waits for, locks that an interrupt and
// what it interrupts both take. Whether it can come to that is for confirm.ts to find out.
// Any thread.
import type { Edge, Holding, LockGraph, Where } from "./lock-graph.js";

/** A thread that is to stand before a lock. */
export interface Stand {
  readonly thread: number;
  readonly lock: number;
  readonly site: number;
}

export interface Suspicion {
  readonly kind: "circular" | "recursive" | "irq-inversion";
  /** Where threads stand when it has come to the worst. */
  readonly stands: readonly Stand[];
  /** For a circle: each edge's lock is held by one thread and wanted by the one before. */
  readonly circle: readonly Edge[];
  /** For an inversion: taken in the interrupt, and taken with that interrupt on. */
  readonly inversion: {
    readonly inside: Where;
    readonly outside: Where;
    readonly irq: string;
  } | null;
}

/** Most circles that are followed up, and steps on the way to find them. */
const CIRCLES_MAX = 20;
const STEPS_MAX = 200_000;

/** In a fixed order: circles by length, then recursion, then inversions. */
export function suspicions(graph: LockGraph): Suspicion[] {
  return [...circles(graph), ...recursions(graph), ...inversions(graph)];
}

function standAt(thread: number, { lock, site }: Holding): Stand {
  return { thread, lock, site };
}

/** Circles of edges of different threads over different locks; the shortest first. */
function circles(graph: LockGraph): Suspicion[] {
  const edges = [...graph.edges.values()].filter((one) => one.from.lock !== one.to.lock);
  const found = new Map<string, Edge[]>();
  let steps = 0;
  const follow = (path: Edge[], most: number): void => {
    if (++steps > STEPS_MAX || found.size >= CIRCLES_MAX) return;
    const [first] = path;
    const last = path.at(-1)!;
    for (const next of edges) {
      if (!canMeet(graph, last, next) || path.some((one) => one.thread === next.thread)) continue;
      if (next.to.lock === first!.from.lock && path.length + 1 === most) {
        const whole = [...path, next];
        if (!canMeet(graph, next, first!)) continue;
        const key = whole
          .map((one) => `${one.thread}:${one.from.lock}`)
          .sort()
          .join(" ");
        if (!found.has(key)) found.set(key, whole);
      } else if (path.length + 1 < most && next.to.lock > first!.from.lock) {
        // Each circle is begun at its lowest lock only.
        follow([...path, next], most);
      }
    }
  };
  const threads = new Set(edges.map((one) => one.thread)).size;
  for (let length = 2; length <= threads; length++) {
    for (const edge of edges) follow([edge], length);
  }
  return [...found.values()].map((circle) => ({
    kind: "circular",
    stands: circle.map((one) => standAt(one.thread, one.to)),
    circle,
    inversion: null,
  }));
}

/** Whether who wants `edge.to` can have to wait for who holds it as `next.from`. */
function canMeet(graph: LockGraph, edge: Edge, next: Edge): boolean {
  if (edge.to.lock !== next.from.lock) return false;
  // A reader waits for a reader only when a writer waits between them.
  return !(edge.to.use.isRead && next.from.use.isRead) || graph.isWritten(edge.to.lock);
}

/** A thread that takes what it has: for ever without a writer's help, or for reading with it. */
function recursions(graph: LockGraph): Suspicion[] {
  const all: Suspicion[] = [];
  for (const edge of graph.edges.values()) {
    if (edge.from.lock !== edge.to.lock) continue;
    const areReads = edge.from.use.isRead && edge.to.use.isRead;
    if (areReads && !graph.isWritten(edge.to.lock)) continue;
    const stands = [standAt(edge.thread, edge.to)];
    all.push({ kind: "recursive", stands, circle: [edge], inversion: null });
  }
  return all;
}

/** A lock that an interrupt takes, from which edges lead to one that is taken with it on. */
function inversions(graph: LockGraph): Suspicion[] {
  const all: Suspicion[] = [];
  const contexts = [
    { irq: "HARDIRQ", inUsage: "inHardirq", onUsage: "hardirqsOn" },
    { irq: "SOFTIRQ", inUsage: "inSoftirq", onUsage: "softirqsOn" },
  ] as const;
  for (const { irq, inUsage, onUsage } of contexts) {
    for (const [lock, usages] of graph.usages) {
      const inside = usages.get(inUsage) ?? usages.get(`${inUsage}Read`);
      if (inside === undefined || !inside.holding.use.isSpin) continue;
      for (const reached of reachable(graph, lock)) {
        const on = graph.usages.get(reached);
        const outside = on?.get(onUsage) ?? on?.get(`${onUsage}Read`);
        if (outside === undefined) continue;
        const stands = [standAt(inside.thread, inside.holding)];
        const inversion = { inside, outside, irq };
        all.push({ kind: "irq-inversion", stands, circle: [], inversion });
      }
    }
  }
  return all;
}

/** A lock and those that are taken, by anybody, on a way of edges that begins at it. */
function reachable(graph: LockGraph, lock: number): Set<number> {
  const all = new Set([lock]);
  // A set grows while it is gone through.
  for (const one of all) {
    for (const { from, to } of graph.edges.values()) if (from.lock === one) all.add(to.lock);
  }
  return all;
}
