// The repair of endpoint-shutdown.ts: the lock is given back before the loop is waited for. A loop
// that still has a packet finds no dispatcher and drops it.
import { eventWrite, ld, program, rlock, runlock, rwlock, rwunlock, st } from "packetpath/explore";
import { assert, wgAdd, wgDone, wgWait } from "packetpath/explore";

interface Endpoint {
  mu: number;
  loops: number;
  started: number;
  stop: number;
  dispatcher: number;
  delivered: number;
}

export default program({
  name: "endpoint-shutdown-fixed",
  cells: { started: 0, stop: 0, dispatcher: 1, delivered: 0 },
  locks: ["mu", "loops"],
  threads: {
    stopper({ mu, loops, started, stop, dispatcher }: Endpoint) {
      wgAdd(loops, 1);
      st(started, 1);
      rwlock(mu);
      eventWrite(stop, 1);
      st(dispatcher, 0);
      rwunlock(mu);
      wgWait(loops);
    },
    loop({ mu, loops, started, stop, dispatcher, delivered }: Endpoint) {
      while (ld(started) === 0);
      // Two packets are there; the stop is seen between them.
      for (let packet = 0; packet < 2 && ld(stop) === 0; packet++) {
        rlock(mu);
        if (ld(dispatcher) !== 0) st(delivered, ld(delivered) + 1);
        runlock(mu);
      }
      wgDone(loops);
    },
  },
  final({ delivered }: Endpoint) {
    assert(ld(delivered) <= 2);
  },
});
