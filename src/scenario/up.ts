// `packetpath up`: the topology of a scenario with named namespaces, forwarding until it is told to
// stop, so that real programs can be run inside. Main thread.
import { buildLab, type Lab, tearDown } from "./lab.js";
import { type ServedLab, serveLab } from "./live/serve.js";
import type { LabSwitch } from "./live/switch.js";
import type { Scenario, UpOptions } from "./types.js";

/** Addresses of one port that are printed; `ip addr` in its namespace shows all. */
const SHOWN_MAX = 4;

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
  let served: ServedLab | null = null;
  try {
    served = await serveLab(lab, () => stop.abort());
    options.onReady(readyText(lab, options.backend, served.path));
    await untilStopped(lab, served.control, AbortSignal.any([options.signal, stop.signal]));
  } finally {
    await served?.close();
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

/** Addresses of a port on one line; of many, the first ones and how many more there are. */
export function addressesText(addresses: readonly string[]): string {
  const more = addresses.length - SHOWN_MAX;
  const shown = addresses.slice(0, SHOWN_MAX).join(" ");
  return more <= 0 ? shown : `${shown} and ${more} more`;
}

function readyText(lab: Lab, backend: string, socket: string): string {
  const lines = lab.scenario.ports.map((port) => {
    const where = port.namespace === null ? "no namespace" : `${port.namespace} ${port.device}`;
    const { number, name, kind, addresses } = port;
    return `  port ${number}  ${name}  ${kind}  ${where}  ${addressesText(addresses)}`.trimEnd();
  });
  const first = lab.scenario.ports.find((port) => port.namespace !== null);
  const hint =
    backend === "linux" && first !== undefined
      ? [`Try: ip netns exec ${first.namespace} ip addr`, "Ctrl-C removes all of it."]
      : ["Ctrl-C ends it."];
  const control = `Its control socket, for the tools in native-free-shims/ovs: ${socket}`;
  return [`${lab.scenario.bridge.name} is forwarding:`, ...lines, control, ...hint].join("\n");
}
