// Services and servers of a running balancer that come, go and get other weights: each change is
// checked as the scenario's text is, and reaches all workers as one. Connections that are there go
// on, also those of a server that was taken away. Main thread only.
import { LineCounter } from "yaml";
import type { z } from "zod";
import { CONN, type Connections } from "../../balancer/connections.js";
import {
  profileOf,
  type RealServer,
  SERVERS_MAX,
  SERVICES_MAX,
  type VirtualService,
} from "../../balancer/types.js";
import { PacketpathError } from "../../base/errors.js";
import type { ReceiverPorts } from "../../worker/balancer/server-side.js";
import { addIssues } from "../text/issues.js";
import { readText } from "../text/read.js";
import { Problems } from "../text/problems.js";
import type { ScenarioPort } from "../types.js";
import { checkServices } from "./check.js";
import { endText } from "./end-text.js";
import { portOfAddress, resolveService, type ScenarioBalancer } from "./resolve.js";
import { type BalancerText, server as serverSchema, service as serviceSchema } from "./schema.js";

type ServiceText = BalancerText["services"][number];

export interface ChangesParts {
  readonly balancer: ScenarioBalancer;
  readonly ports: readonly ScenarioPort[];
  /** The ports at which clients' addresses are read, by dialect; they were chosen at the start. */
  readonly receivers: readonly ReceiverPorts[];
  readonly connections: Connections;
  /** The MAC address of a port's device, where the scenario does not say. */
  readonly macOf: (port: number) => string | null;
  /** Gives all workers these services; resolves when the last has them. */
  readonly order: (services: readonly VirtualService[]) => Promise<void>;
}

/** A service at its place; `text.servers` has the places of `service.servers`. */
interface Slot {
  readonly service: VirtualService;
  readonly text: ServiceText;
}

const wrong = (message: string): PacketpathError => new PacketpathError("USAGE", message);

/** All methods reject with PacketpathError, SCENARIO_INVALID or USAGE, and then change nothing. */
export class BalancerChanges {
  private readonly p: ChangesParts;
  private slots: readonly Slot[];
  /** One after the other: a place is taken again only when all workers know that it is gone. */
  private last: Promise<void> = Promise.resolve();

  constructor(parts: ChangesParts) {
    this.p = parts;
    const { config, text } = parts.balancer;
    this.slots = config.services.map((service, i) => ({ service, text: text.services[i]! }));
  }

  /** By place, as connections name them; some may be gone. */
  get services(): readonly VirtualService[] {
    return this.slots.map(({ service }) => service);
  }

  /** @param text YAML, as in a scenario: `{ name: web, address: ..., port: 80, servers: [...] }` */
  addService(text: string): Promise<void> {
    return this.inTurn(() => this.putService(text));
  }

  deleteService(name: string): Promise<void> {
    return this.inTurn(() => this.dropService(name));
  }

  /** @param text YAML, as in a scenario: `{ address: 10.1.0.13, port: 8080, weight: 2 }` */
  addServer(name: string, text: string): Promise<void> {
    return this.inTurn(() => this.putServer(name, text));
  }

  /** @param end `10.1.0.13:8080` @param weight 0 to 256, as text; 0: no new connections. */
  setWeight(name: string, end: string, weight: string): Promise<void> {
    const number = /^\d{1,3}$/.test(weight) ? Number(weight) : Infinity;
    if (number > 256) {
      return Promise.reject(wrong(`weight "${weight}": expected a whole number from 0 to 256`));
    }
    return this.inTurn(() => this.changeServer(name, end, { weight: number }));
  }

  /** @param end `10.1.0.13:8080` */
  deleteServer(name: string, end: string): Promise<void> {
    return this.inTurn(() => this.changeServer(name, end, { isGone: true }));
  }

  private inTurn(change: () => Promise<void>): Promise<void> {
    const done = this.last.then(change);
    this.last = done.catch(() => undefined);
    return done;
  }

  private async putService(text: string): Promise<void> {
    const service = read(text, "service", serviceSchema);
    const slot = this.slotOf(service);
    const isIdle = (place: number): boolean => this.isIdle(place);
    const place = freePlace(this.services, SERVICES_MAX, isIdle, "services");
    await this.put(place, slot);
  }

  private async dropService(name: string): Promise<void> {
    const place = this.placeOf(name);
    const { service, text } = this.slots[place]!;
    await this.put(place, { text, service: { ...service, isGone: true } });
  }

  private async putServer(name: string, text: string): Promise<void> {
    const at = this.placeOf(name);
    const { service, text: own } = this.slots[at]!;
    const added = read(text, "server", serverSchema);
    const [server] = this.slotOf({ ...own, servers: [added] }, at).service.servers;
    const end = endOf(server!);
    if (service.servers.some((one) => one.isGone !== true && endOf(one) === end)) {
      throw wrong(`service ${name} has the server ${end} already`);
    }
    const isIdle = (place: number): boolean => this.isIdle(at, place);
    const place = freePlace(service.servers, SERVERS_MAX, isIdle, `servers of ${name}`);
    await this.put(at, {
      service: { ...service, servers: replaced(service.servers, place, server!) },
      text: { ...own, servers: replaced(own.servers, place, added) },
    });
  }

  private async changeServer(
    name: string,
    end: string,
    change: Partial<RealServer>,
  ): Promise<void> {
    const at = this.placeOf(name);
    const { service, text } = this.slots[at]!;
    const { servers } = service;
    const place = servers.findIndex((one) => one.isGone !== true && endOf(one) === end);
    if (place < 0) {
      const all = servers.filter(({ isGone = false }) => !isGone).map(endOf);
      throw wrong(`service ${name} has no server "${end}": it has ${all.join(", ") || "none"}`);
    }
    const changed = replaced(servers, place, { ...servers[place]!, ...change });
    await this.put(at, { text, service: { ...service, servers: changed } });
  }

  /** Checked and resolved. @param instead the place of a service that this one stands for. */
  private slotOf(text: ServiceText, instead = -1): Slot {
    const { balancer, ports } = this.p;
    const others = this.slots.filter(
      ({ service }, place) => service.isGone !== true && place !== instead,
    );
    const services = [...others.map(presentText), text];
    const problems = new Problems("balancer", "", new LineCounter());
    checkServices({ ...balancer.text, services }, { ports }, problems);
    problems.throwIfAny();
    const service = resolveService(text, (address) => this.deviceOf(address));
    this.checkReaders(service, text);
    return { service, text };
  }

  private deviceOf(address: string): Pick<ScenarioPort, "mac" | "mtu"> {
    const { name, number, mac, mtu } = portOfAddress(address, this.p.ports)!;
    const known = mac ?? this.p.macOf(number);
    if (known === null) throw wrong(`port "${name}" of ${address} has no device now`);
    return { mac: known, mtu };
  }

  /** Who is told must have a reader at its port, and those were set up at the start. */
  private checkReaders(service: VirtualService, text: ServiceText): void {
    const profile = profileOf(service);
    if (profile === null) return;
    const readers = this.p.receivers.find(({ memory }) => memory.profile === profile);
    for (const { address } of text.servers) {
      const { name, number } = portOfAddress(address, this.p.ports)!;
      if (readers?.ports.includes(number) === true) continue;
      throw wrong(
        `port "${name}" of ${address} reads no client addresses of the dialect ${profile}; ` +
          "say toa: off, or begin with such a service",
      );
    }
  }

  private placeOf(name: string): number {
    const place = this.services.findIndex((one) => one.isGone !== true && one.name === name);
    if (place >= 0) return place;
    const all = this.services.filter(({ isGone = false }) => !isGone).map((one) => one.name);
    throw wrong(`no service "${name}": there is ${all.join(", ") || "none"}`);
  }

  /** Whether a place that is gone has no connection left, and never will have one. */
  private isIdle(service: number, server = -1): boolean {
    const { words } = this.p.connections;
    return this.p.connections
      .all()
      .every(
        (at) =>
          words[at + CONN.service] !== service ||
          (server >= 0 && words[at + CONN.server] !== server),
      );
  }

  private async put(place: number, slot: Slot): Promise<void> {
    this.slots = replaced(this.slots, place, slot);
    await this.p.order(this.services);
  }
}

function presentText({ service, text }: Slot): ServiceText {
  const servers = text.servers.filter((_, place) => service.servers[place]!.isGone !== true);
  return { ...text, servers };
}

function endOf({ address, port }: RealServer): string {
  return endText(address, port);
}

function replaced<T>(list: readonly T[], place: number, one: T): T[] {
  const copy = [...list];
  copy[place] = one;
  return copy;
}

/** A place that is gone and idle, or behind the last. @throws PacketpathError USAGE: none left */
function freePlace(
  list: readonly { readonly isGone?: boolean }[],
  most: number,
  isIdle: (place: number) => boolean,
  what: string,
): number {
  const place = list.findIndex(({ isGone = false }, i) => isGone && isIdle(i));
  if (place >= 0) return place;
  if (list.length < most) return list.length;
  throw wrong(`${list.length} ${what}, with those that still have connections; at most ${most}`);
}

function read<S extends z.ZodObject>(text: string, file: string, schema: S): z.output<S> {
  const expected = `expected a map: { ${Object.keys(schema.shape).join(", ")} }`;
  const { problems, raw } = readText(text, file, { schema, expected, set: [] });
  const result = schema.safeParse(raw);
  if (!result.success) addIssues(problems, result.error.issues, { root: raw, schema });
  problems.throwIfAny();
  return schema.parse(raw);
}
