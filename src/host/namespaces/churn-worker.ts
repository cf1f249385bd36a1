// One thread of a churn: makes namespaces and hands them on, or takes them and lets them go. What
// it is to be stands in its workerData. Loaded by the child that owns the churn.
import { workerData } from "node:worker_threads";
import { close } from "@packetpath/libc";
import { openDevice } from "tuntap2";
import { CHURN_HEAD, type ChurnWork } from "./churn.js";
import { makeRawNamespace, openOwnNamespace } from "./raw.js";

const work = workerData as ChurnWork;
if (work.role === "creator") create(work);
else destroy(work);

function create({ count, words, microseconds, deviceEvery }: ChurnWork): void {
  const home = openOwnNamespace();
  for (let n = Atomics.add(words, 0, 1); n < count; n = Atomics.add(words, 0, 1)) {
    const made = makeRawNamespace(home, () => {
      if (n % deviceEvery === 0) addDevice();
    });
    microseconds[n] = made.microseconds;
    Atomics.store(words, CHURN_HEAD + n, made.fd < 0 ? made.fd : made.fd + 1);
    Atomics.notify(words, CHURN_HEAD + n);
  }
  close(home);
}

/** A TAP without a descriptor: it goes with the namespace, and only with it. */
function addDevice(): void {
  const { fds } = openDevice({ mode: "tap", name: "churn0", queues: 1, persist: true });
  for (const fd of fds) close(fd);
}

function destroy({ count, words }: ChurnWork): void {
  for (let n = Atomics.add(words, 1, 1); n < count; n = Atomics.add(words, 1, 1)) {
    const at = CHURN_HEAD + n;
    Atomics.wait(words, at, 0);
    const made = Atomics.load(words, at);
    if (made > 0) close(made - 1);
  }
}
