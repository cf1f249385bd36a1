// From what was written, and found to be right, to the form that the rest of the program uses:
// defaults filled in, port numbers chosen, addresses looked up. Pure; any thread.
import type { Flow } from "../flow/types.js";
import { fixedMac, portOfAddress, resolveBalancer } from "./balancer/resolve.js";
import { portFlags, resolveBridge, resolveVlan } from "./bridge/resolve.js";
import { workersOf } from "./check/faults.js";
import { HTTP_PORT, sourcesOf, targetAddress } from "./check/load.js";
import type { ScenarioText } from "./schema.js";
import {
  type HttpLoad,
  type Scenario,
  type ScenarioFault,
  type ScenarioPort,
  TRIGGERS,
} from "./types.js";

/** A run without HTTP load and without `durationMs` lasts so long. */
const DURATION_DEFAULT_MS = 3000;
/** What `flap` does when not told otherwise. */
const FLAP = { periodMs: 20, count: 10 };

export interface Origin {
  readonly file: string;
  readonly flows: readonly Flow[];
}

/** @param text passed every check; otherwise the result is not to be used. */
export function resolveScenario(text: ScenarioText, origin: Origin): Scenario {
  const { http } = text.load;
  const ports = resolvePorts(text);
  return {
    file: origin.file,
    name: text.name,
    description: text.description.trim(),
    profile: text.profile,
    guard: text.guard,
    seed: text.seed,
    expect: { default: "SAFE", ...text.expect },
    bridge: resolveBridge(text, portNumbers(text.ports)),
    balancer: text.balancer === undefined ? null : resolveBalancer(text.balancer, ports, text.seed),
    workers: workersOf(text),
    uso: text.uso,
    namespaces: text.namespaces,
    ports,
    flowsText: text.flows,
    flows: origin.flows,
    load: resolveLoad(text),
    faults: text.faults.map(resolveFault),
    vswitchd: text.vswitchd ?? null,
    watchdog: text.watchdog,
    settleMs: text.settleMs,
    durationMs: text.durationMs ?? (http === undefined ? DURATION_DEFAULT_MS : null),
  };
}

/** Port numbers: as written; the others get the lowest free ones, in the file's order. */
export function portNumbers(ports: ScenarioText["ports"]): Map<string, number> {
  const taken = new Set(ports.map((port) => port.number));
  const numbers = new Map<string, number>();
  let next = 1;
  for (const port of ports) {
    if (port.number !== undefined) {
      numbers.set(port.name, port.number);
      continue;
    }
    while (taken.has(next)) next++;
    taken.add(next);
    numbers.set(port.name, next);
  }
  return numbers;
}

function resolvePorts(text: ScenarioText): ScenarioPort[] {
  const numbers = portNumbers(text.ports);
  const { defaults } = text;
  const taken = new Set(text.ports.flatMap(({ mac }) => (mac === undefined ? [] : [mac])));
  const servers = text.balancer?.services.flatMap((service) => service.servers) ?? [];
  const serving = new Set(servers.map(({ address }) => portOfAddress(address, text.ports)?.name));
  const macOf = ({ name, mac }: ScenarioText["ports"][number]): string | null => {
    if (mac !== undefined) return mac.toLowerCase();
    return serving.has(name) ? fixedMac(numbers.get(name)!, taken) : null;
  };
  return text.ports.map((port) => ({
    name: port.name,
    number: numbers.get(port.name)!,
    kind: port.kind,
    namespace: port.namespace ?? null,
    device: port.device,
    queues: port.queues ?? defaults.queues,
    addresses: port.addresses,
    gateways: port.gateways,
    mac: macOf(port),
    mtu: port.mtu ?? defaults.mtu,
    txQueueLen: port.txQueueLen ?? defaults.txQueueLen,
    offloads: port.offloads ?? defaults.offloads,
    lower: port.lower ?? null,
    capture: port.capture,
    vlan: resolveVlan(port),
    flags: portFlags(port),
  }));
}

function resolveLoad(text: ScenarioText): Scenario["load"] {
  const { http, bystander, flood, ping } = text.load;
  const withAddress = <T extends { from: string; to: string }>(one: T) => ({
    ...one,
    toAddress: targetAddress(one, text) ?? "",
  });
  return {
    http: http === undefined ? null : resolveHttp(http, text),
    bystander: bystander === undefined ? null : withAddress(bystander),
    flood: flood.map(withAddress),
    ping: ping.map(withAddress),
  };
}

function resolveHttp(
  http: NonNullable<ScenarioText["load"]["http"]>,
  text: ScenarioText,
): HttpLoad {
  const service = text.balancer?.services.find(({ name }) => name === http.to);
  const toAddress = targetAddress(http, text) ?? "";
  const port = service?.port ?? http.port ?? HTTP_PORT;
  const servers =
    service === undefined
      ? [{ namespace: http.to, port }]
      : service.servers.map((server) => ({
          namespace: portOfAddress(server.address, text.ports)!.namespace!,
          port: server.port ?? port,
        }));
  const { sources, ...rest } = http;
  const sourceAddresses = sourcesOf(http, toAddress, text).slice(0, sources);
  const isBalanced = service !== undefined;
  return { ...rest, toAddress, port, servers, isBalanced, sourceAddresses };
}

function resolveFault(fault: ScenarioText["faults"][number]): ScenarioFault {
  const on = TRIGGERS.find((name) => fault.at[name] !== undefined) ?? "afterMs";
  const isFlap = fault.kind === "flap";
  const { queues } = fault;
  return {
    kind: fault.kind,
    target: fault.target ?? `worker ${fault.worker ?? 0}`,
    at: { on, value: fault.at[on] ?? 0 },
    repeat: fault.repeat ?? null,
    leaseMs: fault.leaseMs ?? null,
    expectsEffect: fault.expectsEffect,
    queueCount: typeof queues === "number" ? queues : null,
    queueIndexes: Array.isArray(queues) ? queues : null,
    txQueueLen: fault.txQueueLen ?? null,
    toNamespace: fault.toNamespace ?? null,
    worker: fault.worker ?? null,
    stallMs: fault.stallMs ?? null,
    periodMs: isFlap ? (fault.periodMs ?? FLAP.periodMs) : null,
    count: isFlap ? (fault.count ?? FLAP.count) : null,
  };
}
