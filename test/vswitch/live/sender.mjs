// Sends numbered datagrams from several sockets until standard input ends; says how many it sent.
// Each line of standard input says how many have arrived: some hundred are on their way at most,
// since a queue that overflows somewhere would be no news. Runs in the client's namespace.
import { createSocket } from "node:dgram";
import { setTimeout as pause } from "node:timers/promises";

const ON_THE_WAY = 200;
const [address, port, perMillisecond] = process.argv.slice(2);
const sockets = Array.from({ length: 8 }, () => createSocket("udp4"));
for (const socket of sockets) await new Promise((resolve) => socket.bind(0, resolve));

let sent = 0;
let arrived = 0;
let ending = false;
process.stdin.on("end", () => (ending = true));
process.stdin.on("data", (data) => (arrived = Number(String(data).trim().split("\n").at(-1))));

while (!ending) {
  const pending = [];
  for (let i = 0; i < Number(perMillisecond) && sent - arrived < ON_THE_WAY; i++) {
    const number = Buffer.alloc(4);
    number.writeUInt32BE(sent);
    const socket = sockets[sent++ % sockets.length];
    pending.push(new Promise((resolve) => socket.send(number, Number(port), address, resolve)));
  }
  await Promise.all(pending);
  await pause(1);
}
for (const socket of sockets) socket.close();
console.log(JSON.stringify({ sent }));
