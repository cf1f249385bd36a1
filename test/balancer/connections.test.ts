// The life of connections: schedulers, states and their time-outs, and that what was taken is given
// back, also when threads add, find and remove at the same time.
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { describe, expect, it } from "vitest";
import { CONN, Connections, TUPLE } from "../../src/balancer/connections.js";
import { roundOf } from "../../src/balancer/schedule.js";
import {
  CLIENT_FIN,
  lifeTicks,
  nextState,
  SERVER_FIN,
  stateText,
  TCP_STATE,
} from "../../src/balancer/tcp-states.js";
import { Random } from "../../src/base/random.js";
import { ACK, CLIENT, config, FIN, fromClient, Lab, RST, server, service, SYN } from "./lab.js";
import { readFrame } from "./reader.js";

const syn = (port: number) => fromClient({ flags: SYN, source: port });

/** The servers that so many clients get. */
function served(scheduler: "rr" | "wrr" | "hash", weights: readonly number[], clients: number) {
  const servers = weights.map((weight, i) => server(`10.1.0.${11 + i}`, { weight }));
  const lab = new Lab(
    config({ services: [service({ scheduler, servers })], connectionsMax: 1024 }),
  );
  const counts = new Map<string, number>();
  for (let i = 0; i < clients; i++) {
    const ends = { ...CLIENT, from: `10.0.${i >> 8}.${i & 255}` };
    const { to } = readFrame(lab.send(fromClient({ flags: SYN }, ends)).bytes);
    counts.set(to, (counts.get(to) ?? 0) + 1);
  }
  return weights.map((_, i) => counts.get(`10.1.0.${11 + i}`) ?? 0);
}

describe("schedulers", () => {
  it("rr: each in turn, whatever the weight; nobody with weight 0", () => {
    expect(served("rr", [5, 1, 0, 1], 300)).toEqual([100, 100, 0, 100]);
  });

  it("wrr: by weight, spread over the round", () => {
    expect(served("wrr", [3, 1], 400)).toEqual([300, 100]);
    const servers = [server("10.1.0.11", { weight: 2 }), server("10.1.0.12")];
    expect(roundOf(service({ scheduler: "wrr", servers }))).toEqual([0, 1, 0]);
  });

  it("hash: about by weight, and one client always the same", () => {
    const [many, few] = served("hash", [3, 1], 1000) as [number, number];
    expect(many / few).toBeGreaterThan(2.4);
    expect(many / few).toBeLessThan(3.6);
    const lab = new Lab(config({ services: [service({ scheduler: "hash" })] }));
    const seen = [1, 2, 3, 4].map((port) => readFrame(lab.send(syn(port)).bytes).to);
    expect(new Set(seen).size).toBe(1);
  });
});

describe("states", () => {
  const walk = (...steps: readonly (readonly [number, boolean])[]): string =>
    stateText(
      steps.reduce((state, [flags, s]) => nextState(state, flags, s), TCP_STATE.opening as number),
    );

  it("follow handshake, data and both FINs; a RST ends it at once", () => {
    expect(walk([SYN, false])).toBe("opening");
    expect(walk([SYN | ACK, true])).toBe("answered");
    expect(walk([SYN | ACK, true], [ACK, false])).toBe("established");
    expect(walk([SYN | ACK, true], [ACK, false], [FIN | ACK, true])).toBe("closing");
    expect(walk([ACK, false], [FIN | ACK, true], [FIN | ACK, false])).toBe("closed");
    expect(walk([SYN | ACK, true], [RST, true])).toBe("closed");
  });

  it("live 30 s opening, 60 answered, 900 established, 120 closing, 10 closed, UDP 300", () => {
    const { opening, answered, established, closed } = TCP_STATE;
    const states = [opening, answered, established, established | CLIENT_FIN, closed | SERVER_FIN];
    expect([...states, 0].map((state) => lifeTicks(state) / 16)).toEqual([
      ...[30, 60, 900, 120, 10, 300],
    ]);
  });

  it("a connection whose time is over is unknown; its tuple and port are free again", () => {
    const local = { ...config().local, lastPort: 5000 };
    const lab = new Lab(config({ local, services: [service({ servers: [server("10.1.0.11")] })] }));
    expect(lab.send(syn(1)).dropped).toBeNull();
    lab.clock.step(29_000);
    expect(lab.send(fromClient({ flags: ACK, source: 1 })).dropped).toBeNull();
    lab.clock.step(899_000);
    expect(lab.send(fromClient({ flags: ACK, source: 1 })).dropped).toBeNull();
    lab.clock.step(901_000);
    expect(lab.send(fromClient({ flags: ACK, source: 1 })).dropped).toBe("balancer-no-connection");
    expect(lab.send(syn(2)).dropped).toBeNull();
    expect(lab.send(syn(1)).dropped).toBe("balancer-no-port");
  });

  it("a SYN on a closed connection begins another, with another sequence number", () => {
    const lab = new Lab();
    const first = readFrame(lab.send(fromClient({ flags: SYN, sequence: 5 })).bytes);
    expect(readFrame(lab.send(fromClient({ flags: SYN, sequence: 5 })).bytes)).toEqual(first);
    lab.send(fromClient({ flags: RST, sequence: 6 }));
    lab.clock.step(1000);
    const second = readFrame(lab.send(fromClient({ flags: SYN, sequence: 5 })).bytes);
    expect(second.sequence).not.toBe(first.sequence);
    expect(lab.connections).toMatchObject({ size: 1, added: 2, removed: 1 });
  });
});

describe("what was taken is given back (behaviour 15)", () => {
  it("added = removed and no place is lost, after a thousand connections through 64 places", () => {
    const lab = new Lab();
    for (let i = 0; i < 1000; i++) {
      expect(lab.send(syn(i + 1)).dropped, `connection ${i}`).toBeNull();
      if (i % 50 === 49) lab.clock.step(31_000);
    }
    lab.connections.clear();
    expect(lab.connections).toMatchObject({ size: 0, added: 1000, removed: 1000 });
    for (let i = 0; i < 64; i++) expect(lab.send(syn(i + 1)).dropped).toBeNull();
    expect(lab.send(syn(65)).dropped).toBe("balancer-full");
  });

  it("whose time is over goes when others come, long before the table is full", () => {
    const lab = new Lab();
    for (let i = 0; i < 10; i++) lab.send(syn(i + 1));
    lab.clock.step(31_000);
    for (let i = 0; i < 10; i++) lab.send(syn(i + 101));
    expect(lab.connections).toMatchObject({ added: 20, removed: 10 });
  });

  it("a table agrees with a list, whatever is added, found, ended and swept", () => {
    const seed = 7;
    const random = new Random(seed);
    const table = Connections.create(32);
    const list = new Map<number, { server: number; expires: number }>();
    const tuple = (address: number, port: number): Int32Array => {
      const words = new Int32Array(TUPLE.words);
      words[TUPLE.source] = address;
      words[TUPLE.ports] = port;
      return words;
    };
    for (let step = 0, now = 0; step < 20_000; step++) {
      now += random.below(3);
      const client = random.below(40);
      const server = random.below(40);
      const known = list.get(client);
      const isAlive = known !== undefined && known.expires >= now;
      const found = table.find(tuple(1, client), now);
      expect(found >= 0, `seed ${seed}, step ${step}`).toBe(isAlive);
      if (found >= 0) {
        expect(table.words[found + CONN.server]).toBe(known!.server);
        table.release();
        continue;
      }
      const inUse = [...list.values()].some((one) => one.server === server && one.expires >= now);
      const alive = [...list.values()].filter(({ expires }) => expires >= now).length;
      const expires = now + random.below(60);
      const at = table.add(tuple(1, client), tuple(2, server), now, (words, place) => {
        words[place + CONN.expires] = expires;
        words[place + CONN.server] = server;
      });
      if (inUse) expect(at, `seed ${seed}, step ${step}`).toBe(-2);
      else if (alive < 32) expect(at, `seed ${seed}, step ${step}`).toBeGreaterThanOrEqual(0);
      else expect(at, `seed ${seed}, step ${step}`).toBe(-3);
      if (at < 0) continue;
      table.release();
      list.set(client, { server, expires });
    }
    table.clear();
    expect(table.size).toBe(0);
  });

  it("three threads at once: what one holds stays what it is, and no place is lost", async () => {
    const table = Connections.create(48);
    const results = await Promise.all(
      [11, 12, 13].map(async (seed) => {
        const workerData = { buffer: table.buffer, seed, steps: 60_000, clients: 40 };
        const worker = new Worker(new URL("./connections-thread.mjs", import.meta.url), {
          workerData,
        });
        const [result] = (await once(worker, "message")) as [Record<string, number>];
        return result;
      }),
    );
    const sum = (name: string): number => results.reduce((all, one) => all + one[name]!, 0);
    expect(sum("wrong")).toBe(0);
    expect(sum("found")).toBeGreaterThan(1000);
    expect(table.added).toBe(sum("added"));
    expect(table.all()).toHaveLength(table.size);
    table.clear();
    expect(table).toMatchObject({ size: 0, removed: sum("added") });
    const tuple = (side: number, port: number): Int32Array => {
      const words = new Int32Array(TUPLE.words);
      words[TUPLE.source] = side;
      words[TUPLE.ports] = port;
      return words;
    };
    for (let i = 0; i < 48; i++) {
      expect(table.add(tuple(3, i), tuple(4, i), 0, () => undefined)).toBeGreaterThan(0);
      table.release();
    }
  });
});
