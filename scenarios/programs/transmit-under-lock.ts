// Sending over loopback with a plain lock held that the receive path takes: softirqs run when the
// sender enables them again, on its CPU, inside of the lock. No interrupt is needed.
import { localBhDisable, localBhEnable, program, raiseSoftirq } from "packetpath/explore";
import { spinLock, spinUnlock } from "packetpath/explore";

interface Shared {
  state: number;
  receive: number;
}

function loopbackTransmit({ receive }: Shared) {
  localBhDisable();
  raiseSoftirq(receive);
  localBhEnable();
}

export default program({
  name: "transmit-under-lock",
  locks: ["state"],
  threads: {
    sender: {
      cpu: 0,
      run(shared: Shared) {
        spinLock(shared.state);
        loopbackTransmit(shared);
        spinUnlock(shared.state);
      },
    },
    receive: {
      cpu: 0,
      context: "softirq",
      run({ state }: Shared) {
        spinLock(state);
        spinUnlock(state);
      },
    },
  },
  expect: "DEADLOCK",
});
