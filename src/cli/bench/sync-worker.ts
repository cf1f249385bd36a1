// Entry of an isolate in which `bench sync` runs its variants: one of them or both, as asked.
import { parentPort } from "node:worker_threads";
import { runner, type SyncRound } from "./sync.js";
import { byHand, throughSync } from "./sync-paths.js";

const runners = { byHand: runner(byHand), throughSync: runner(throughSync) };
parentPort!.on("message", ({ path, rounds }: SyncRound) => {
  parentPort!.postMessage(runners[path](rounds));
});
