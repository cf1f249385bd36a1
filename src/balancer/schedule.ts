// Which server a new connection gets. Each worker has a schedule of its own, computed alike from
// the same services; where the turn stands is one shared word for each service, so that two workers
// do not give the same turn. No allocation per connection.
import type { VirtualService } from "./types.js";

/**
 * The servers in the order of one round: in turn, a server of weight w comes w times in it, spread
 * out (the smooth weighted round robin of nginx: each turn everybody gains its weight, and whoever
 * has most is taken and pays the sum). `rr` counts every weight above 0 as 1.
 */
export function roundOf(service: VirtualService): readonly number[] {
  const weights = service.servers.map(({ weight, isGone = false }) => {
    if (isGone) return 0;
    return service.scheduler === "rr" ? Math.min(weight, 1) : weight;
  });
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const credit = weights.map(() => 0);
  return Array.from({ length: total }, () => {
    weights.forEach((weight, i) => (credit[i]! += weight));
    const most = credit.indexOf(Math.max(...credit));
    credit[most]! -= total;
    return most;
  });
}

export class Schedule {
  private readonly rounds: readonly (readonly number[])[];
  private readonly isHashed: readonly boolean[];
  private readonly turns: Int32Array;

  /** @param turns a word for each service, shared by all workers. */
  constructor(services: readonly VirtualService[], turns: Int32Array) {
    this.rounds = services.map(roundOf);
    this.isHashed = services.map(({ scheduler }) => scheduler === "hash");
    this.turns = turns;
  }

  /** Index of the server for a client; -1 when no server takes any. @param hash of its address. */
  choose(service: number, hash: number): number {
    const round = this.rounds[service]!;
    if (round.length === 0) return -1;
    const turn = this.isHashed[service]! ? hash : Atomics.add(this.turns, service, 1);
    return round[(turn >>> 0) % round.length]!;
  }
}
