// Another CPU for threads.test.ts: calls flush_all_backlogs without end. Worker thread, from dist/.
import { workerData } from "node:worker_threads";
import { flushAllBacklogs } from "../../dist/path/core/backlog.js";
import { builtInGuard } from "../../dist/path/guards.js";
import { attachKernel } from "../../dist/path/kernel.js";
import { findProfile } from "../../dist/path/profiles.js";
import { bindThread } from "../../dist/sync/primitives.js";

const { m, config, profile } = workerData;
const kernel = attachKernel(new Int32Array(m), config, findProfile(profile), builtInGuard("none"));
bindThread({ task: 1, cpu: 1, maySleep: true, events: null, deed: null });
for (;;) flushAllBacklogs(kernel);
