// Counts datagrams by the address and port that they seem to come from, and by number, until there
// are as many as standard input says, or it ends; says now and then how many there are. Runs in the
// server's namespace.
import { createSocket } from "node:dgram";

const socket = createSocket("udp4");
const seen = new Set();
const from = {};
let twice = 0;
let expected = Infinity;
socket.on("message", (message, { address, port }) => {
  const number = message.readUInt32BE(0);
  if (seen.has(number)) twice++;
  seen.add(number);
  const tag = `${address}:${port}`;
  from[tag] = (from[tag] ?? 0) + 1;
  if (seen.size % 20 === 0) console.log(seen.size);
  if (seen.size >= expected) end();
});
socket.bind(Number(process.argv[2]), () => console.log("listening"));
process.stdin.on("data", (data) => {
  expected = Number(data);
  if (seen.size >= expected) end();
});
process.stdin.on("end", end);

function end() {
  socket.close();
  console.log(JSON.stringify({ received: seen.size, twice, from }));
  process.exit();
}
