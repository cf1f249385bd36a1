// Two locks taken in opposite orders: each thread can end up with one and wait for the other.
import { lock, program, unlock } from "packetpath/explore";

type Locks = Record<"rtnl" | "ovs", number>;

export default program({
  name: "two-locks",
  locks: ["rtnl", "ovs"],
  threads: {
    notifier({ rtnl, ovs }: Locks) {
      lock(rtnl);
      lock(ovs);
      unlock(ovs);
      unlock(rtnl);
    },
    command({ rtnl, ovs }: Locks) {
      lock(ovs);
      lock(rtnl);
      unlock(rtnl);
      unlock(ovs);
    },
  },
  expect: "DEADLOCK",
});
