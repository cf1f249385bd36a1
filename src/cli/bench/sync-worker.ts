// Entry of the isolate in which one variant of `bench sync` runs alone: the other one is never
// called here, so it cannot spoil what the compiler knows of this one.
import { parentPort, workerData } from "node:worker_threads";
import { runner } from "./sync.js";
import { byHand, throughSync } from "./sync-paths.js";

const run = runner(workerData === "byHand" ? byHand : throughSync);
parentPort!.on("message", (rounds: number) => parentPort!.postMessage(run(rounds)));
