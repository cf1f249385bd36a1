// A run that has a trace instance and waits to be killed; started by tracing.test.ts. Built files:
// run `node scripts/build.mjs` first, as the test set-up does.
import { openTracing } from "../../dist/host/tracing/tracing.js";

openTracing({ events: [{ name: "irq/softirq_entry" }], thread: null });
process.send("open");
process.stdin.resume();
process.on("message", () => undefined);
