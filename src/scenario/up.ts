// `packetpath up`: the topology of a scenario with named namespaces, forwarding until it is told to
// stop, so that real programs can be run inside. Main thread.
import { socketPath } from "../vswitch/socket/registry.js";
import { type ControlServer, serve } from "../vswitch/socket/server.js";
import { buildLab, type Lab, tearDown } from "./lab.js";
import { LabSwitch } from "./live/switch.js";
import { labTarget } from "./live/target.js";
import type { Scenario, UpOptions } from "./types.js";

export async function upScenario(scenario: Scenario, options: UpOptions): Promise<void> {
  const lab = await buildLab(scenario, {
    backend: options.backend,
    guard: options.guard,
    guardModule: options.guardModule,
    seed: scenario.seed,
    named: options.backend === "linux",
    captureFolder: null,
    onControl: () => undefined,
  });
  const stop = new AbortController();
  const control = new LabSwitch(lab, () => stop.abort());
  let server: ControlServer | null = null;
  try {
    server = await serve(socketPath(), labTarget(lab, control));
    options.onReady(readyText(lab, options.backend, server.path));
    await untilStopped(lab, control, AbortSignal.any([options.signal, stop.signal]));
  } finally {
    // First nobody can ask for changes any more, then there is nobody to make them.
    await server?.close();
    control.close();
    await tearDown(lab, new Set());
  }
}

/** Resolves when the user asks for the end; rejects when a thread dies. */
function untilStopped(lab: Lab, control: LabSwitch, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return resolve();
    const timer = setInterval(() => {
      const error = lab.supervisor.failed()?.error ?? control.failure;
      if (error === null) return;
      clearInterval(timer);
      reject(error);
    }, 200);
    signal.addEventListener("abort", () => {
      clearInterval(timer);
      resolve();
    });
  });
}

function readyText(lab: Lab, backend: string, socket: string): string {
  const lines = lab.scenario.ports.map((port) => {
    const where = port.namespace === null ? "no namespace" : `${port.namespace} ${port.device}`;
    const addresses = port.addresses.length === 0 ? "" : `  ${port.addresses.join(" ")}`;
    return `  port ${port.number}  ${port.name}  ${port.kind}  ${where}${addresses}`;
  });
  const first = lab.scenario.ports.find((port) => port.namespace !== null);
  const hint =
    backend === "linux" && first !== undefined
      ? [`Try: ip netns exec ${first.namespace} ip addr`, "Ctrl-C removes all of it."]
      : ["Ctrl-C ends it."];
  const control = `Its control socket, for the tools in native-free-shims/ovs: ${socket}`;
  return [`${lab.scenario.bridge.name} is forwarding:`, ...lines, control, ...hint].join("\n");
}
