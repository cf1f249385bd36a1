// A load balancer behind a port, as its verbs see it. A running lab that has one makes it
// (scenario/balancer/view.ts); other switches have none. Main thread only.

export interface BalancerServerView {
  /** `10.1.0.11:8080` */
  readonly at: string;
  readonly weight: number;
  /** Connections now. */
  readonly connections: number;
}

export interface BalancerServiceView {
  readonly name: string;
  /** `10.0.0.80:80` */
  readonly at: string;
  readonly protocol: string;
  readonly mode: string;
  readonly scheduler: string;
  readonly toa: string;
  readonly servers: readonly BalancerServerView[];
}

export interface BalancedConnectionView {
  readonly protocol: string;
  readonly service: string;
  readonly client: string;
  readonly virtual: string;
  /** Where the server sees it come from: a local address with fullnat, else the client. */
  readonly from: string;
  readonly server: string;
  readonly state: string;
  /** Seconds that it lives without another packet. */
  readonly seconds: number;
}

/** What a server has learned of one of its connections. */
export interface LearnedClientView {
  readonly protocol: string;
  /** As the server's socket has it. */
  readonly peer: string;
  readonly own: string;
  /** null: the handshake told none. */
  readonly client: string | null;
}

/**
 * What can be changed while it runs; each reaches all workers as one. All reject with
 * PacketpathError, and then nothing is changed. `end` is `10.1.0.11:8080`.
 */
export interface BalancerChangesView {
  /** @param text a service as a scenario has it, in YAML. */
  addService(text: string): Promise<void>;
  deleteService(name: string): Promise<void>;
  /** @param text a server as a scenario has it, in YAML. */
  addServer(service: string, text: string): Promise<void>;
  setWeight(service: string, end: string, weight: string): Promise<void>;
  deleteServer(service: string, end: string): Promise<void>;
}

export interface BalancerView {
  readonly port: number;
  /** `02:6c:62:00:00:01` */
  readonly mac: string;
  readonly connectionsMax: number;
  readonly changes: BalancerChangesView;
  services(): readonly BalancerServiceView[];
  connections(): readonly BalancedConnectionView[];
  clients(): readonly LearnedClientView[];
  /** Counters by name: those of the balancer, why addresses were not told, those of toa_stats. */
  counts(): Readonly<Record<string, Readonly<Record<string, number>>>>;
}
