// The loads of a scenario, started together and read together. Main thread.
import { PacketpathError } from "../base/errors.js";
import { profileOf } from "../balancer/types.js";
import { openLoads } from "../load/start.js";
import {
  type DatagramResult,
  type HttpLoadResult,
  LOAD_COUNTER,
  type LoadHandle,
  type LoadNamespace,
  type Loads,
} from "../load/types.js";
import type { Lab } from "./lab.js";
import type { HttpLoad } from "./types.js";

export interface LoadResults {
  readonly http: HttpLoadResult | null;
  readonly bystander: HttpLoadResult | null;
  readonly floods: readonly DatagramResult[];
  readonly pings: readonly DatagramResult[];
}

export class RunningLoads {
  private readonly lab: Lab;
  private readonly loads: Loads;
  private http: LoadHandle<HttpLoadResult> | null = null;
  private bystander: LoadHandle<HttpLoadResult> | null = null;
  private floods: LoadHandle<DatagramResult>[] = [];
  private pings: LoadHandle<DatagramResult>[] = [];
  /** Whether the main HTTP load has come to its end (true without one). */
  httpDone = true;
  pingsDone = true;
  failure: Error | null = null;

  private constructor(lab: Lab, loads: Loads) {
    this.lab = lab;
    this.loads = loads;
  }

  static async open(lab: Lab): Promise<RunningLoads> {
    const { http } = lab.scenario.load;
    if (lab.backend.descriptor().kind === "memory" && http !== null) {
      if (http.isBalanced || http.sourceAddresses.length > 0) {
        const why = "load.http: services and source addresses need sockets of the kernel";
        throw new PacketpathError("ENVIRONMENT", why, { fix: "Use --backend linux." });
      }
    }
    const loads = await openLoads(lab.backend.descriptor(), namespacesOf(lab));
    return new RunningLoads(lab, loads);
  }

  /** Starts bystander, floods and pings, then the requests. */
  start(): void {
    const { load } = this.lab.scenario;
    const { bystander, http } = load;
    if (bystander !== null) {
      this.bystander = this.loads.startHttp({
        client: this.namespace(bystander.from),
        server: this.namespace(bystander.to),
        serverAddress: bystander.toAddress,
        serverPort: bystander.port,
        requests: 0,
        holdUntilInFlight: 0,
        concurrency: 0,
        timeoutMs: bystander.timeoutMs,
        bodyBytes: bystander.bodyBytes,
        intervalMs: bystander.intervalMs,
      });
      this.watch(this.bystander);
    }
    this.floods = load.flood.map((flood) => {
      const receiver = this.lab.topology.namespaces.get(flood.to)?.ref;
      return this.watch(
        this.loads.startFlood({
          client: this.namespace(flood.from),
          targetAddress: flood.toAddress,
          targetPort: flood.port,
          flows: flood.flows,
          payloadBytes: flood.payloadBytes,
          ratePerSecond: flood.ratePerSecond,
          ...(receiver === undefined ? {} : { receiver }),
        }),
      );
    });
    this.pings = load.ping.map((ping) =>
      this.watch(
        this.loads.startPing({
          client: this.namespace(ping.from),
          targetAddress: ping.toAddress,
          count: ping.count,
          intervalMs: ping.intervalMs,
          timeoutMs: ping.timeoutMs,
        }),
      ),
    );
    this.pingsDone = this.pings.length === 0;
    void Promise.allSettled(this.pings.map((ping) => ping.done)).then(() => {
      this.pingsDone = true;
    });
    if (http !== null) this.startHttp();
  }

  private startHttp(): void {
    const http = this.lab.scenario.load.http!;
    this.httpDone = false;
    this.http = this.loads.startHttp({
      client: this.namespace(http.from),
      server: this.namespace(http.servers[0]!.namespace),
      serverAddress: http.toAddress,
      serverPort: http.port,
      requests: http.requests,
      holdUntilInFlight: http.holdUntilInFlight,
      concurrency: http.concurrency,
      timeoutMs: http.timeoutMs,
      bodyBytes: http.bodyBytes,
      sourceAddresses: http.sourceAddresses,
      ...(http.isBalanced ? this.behind(http) : {}),
    });
    void this.watch(this.http)
      .done.finally(() => (this.httpDone = true))
      .catch(() => undefined);
  }

  /** The servers of a service, and whom they ask for their clients' addresses. */
  private behind({ servers, to }: HttpLoad) {
    const behind = servers.map(({ namespace, port }) => {
      return { server: this.namespace(namespace), port };
    });
    const shared = this.lab.parts.switch.balancer;
    const service = shared?.config.services.find(({ name }) => name === to);
    const profile = service === undefined ? null : profileOf(service);
    const peers = shared?.receivers.find(({ memory }) => memory.profile === profile)?.memory;
    return { behind, ...(peers === undefined ? {} : { peers }) };
  }

  private watch<Result>(handle: LoadHandle<Result>): LoadHandle<Result> {
    handle.done.catch((error: unknown) => {
      this.failure ??= error instanceof Error ? error : new Error(String(error));
    });
    return handle;
  }

  private namespace(name: string) {
    return this.lab.topology.namespaces.get(name)!.ref;
  }

  /** Whether each load has sent something: threads, servers and neighbors take their time. */
  flowing(): boolean {
    const all = [this.http, this.bystander, ...this.floods, ...this.pings];
    return all.every((handle) => {
      if (handle === null) return true;
      const { sent, datagramsSent } = LOAD_COUNTER;
      return Atomics.load(handle.counters, sent) + Atomics.load(handle.counters, datagramsSent) > 0;
    });
  }

  /** A word of the main load's counters (LOAD_COUNTER); 0 without one. */
  counter(word: number): number {
    return this.http === null ? 0 : Atomics.load(this.http.counters, word);
  }

  /** Tells the stacks of the memory backend about new devices. */
  devicesChanged(): void {
    for (const { namespace, devices } of namespacesOf(this.lab)) {
      this.loads.devicesChanged(namespace, devices);
    }
  }

  /** Ends everything and collects the results. */
  async stop(): Promise<LoadResults> {
    const all = [this.http, this.bystander, ...this.floods, ...this.pings];
    for (const handle of all) handle?.stop();
    const settled = async <R>(handle: LoadHandle<R> | null): Promise<R | null> =>
      handle === null ? null : handle.done.catch(() => null);
    const http = await settled(this.http);
    const bystander = await settled(this.bystander);
    const floods = await Promise.all(this.floods.map(settled));
    const pings = await Promise.all(this.pings.map(settled));
    await this.loads.close();
    return { http, bystander, floods: floods.filter(isResult), pings: pings.filter(isResult) };
  }
}

function isResult<R>(result: R | null): result is R {
  return result !== null;
}

function namespacesOf(lab: Lab): LoadNamespace[] {
  return [...lab.topology.namespaces].map(([, { number, ref }]) => {
    const devices = lab.supervisor.devices.flatMap((device) => {
      const spec = lab.topology.ports.find((port) => port.name === device.name);
      if (device.ref === null || spec?.netns !== number || spec.device === null) return [];
      return [{ device: device.ref, addresses: spec.device.addresses }];
    });
    return { namespace: ref, devices };
  });
}
