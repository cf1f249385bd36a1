// One of several threads that add, find, end and sweep connections of one table at the same time.
// Runs from dist/, as worker threads do. Answers how often a connection that it held was not what
// it had found.
import { parentPort, workerData } from "node:worker_threads";
import { CONN, Connections, TUPLE } from "../../dist/balancer/connections.js";
import { Random } from "../../dist/base/random.js";

const { buffer, seed, steps, clients } = workerData;
const table = new Connections(buffer);
const random = new Random(seed);
const client = new Int32Array(TUPLE.words);
const server = new Int32Array(TUPLE.words);
client[TUPLE.source] = 1;
server[TUPLE.source] = 2;
let wrong = 0;
let found = 0;
let added = 0;

/** While its lock is held, a connection stays used, and stays that of the client. */
function look(at, which) {
  const { words } = table;
  for (let i = 0; i < 20; i++) {
    const isOurs = words[at + CONN.client + TUPLE.ports] === which && words[at + CONN.used] === 1;
    if (!isOurs || words[at + CONN.delta] !== 7 * which) wrong++;
  }
}

for (let step = 0; step < steps; step++) {
  const now = step >> 4;
  const which = random.below(clients);
  client[TUPLE.ports] = which;
  const at = table.find(client, now);
  if (at >= 0) {
    found++;
    look(at, which);
    if (random.below(4) === 0) table.end(at, now);
    else table.release();
    continue;
  }
  server[TUPLE.ports] = random.below(clients);
  const place = table.add(client, server, now, (words, to) => {
    words[to + CONN.expires] = now + random.below(50);
    words[to + CONN.delta] = 7 * which;
  });
  if (place < 0) continue;
  added++;
  look(place, which);
  table.release();
}
parentPort.postMessage({ wrong, found, added });
