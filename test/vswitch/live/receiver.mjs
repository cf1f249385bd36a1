// Counts datagrams by the address and port that they seem to come from, and by number, until
// standard input ends. Runs in the server's namespace.
import { createSocket } from "node:dgram";

const socket = createSocket({ type: "udp4", recvBufferSize: 4 * 1024 * 1024 });
const seen = new Set();
const from = {};
let twice = 0;
socket.on("message", (message, { address, port }) => {
  const number = message.readUInt32BE(0);
  if (seen.has(number)) twice++;
  seen.add(number);
  const tag = `${address}:${port}`;
  from[tag] = (from[tag] ?? 0) + 1;
});
socket.bind(Number(process.argv[2]), () => console.log("listening"));
process.stdin.on("end", () => {
  socket.close();
  console.log(JSON.stringify({ received: seen.size, twice, from }));
});
process.stdin.resume();
