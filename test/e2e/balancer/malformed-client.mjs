// A TCP client that no kernel is: opens connections to 10.0.0.80:80 through an AF_PACKET socket,
// from an address that nobody has, and sends its request under whatever option bytes it is told.
// Run in the clients' namespace: node malformed-client.mjs HEX ...; prints "HEX ok" or
// "HEX failed".
import { readFileSync } from "node:fs";
import * as libc from "@packetpath/libc";

const { C, STRUCTS } = libc;
const ETH_P_ALL = 3;
const BALANCER = [0x02, 0x6c, 0x62, 0, 0, 1];
const OWN_MAC = [0x02, 0, 0, 0, 0, 0xfa];
const OWN = [10, 0, 1, 250];
const VIRTUAL = [10, 0, 0, 80];
const [FIN, SYN, RST, PSH, ACK] = [1, 2, 4, 8, 16];
const WAIT_MS = 5000;

const socket = libc.socket(C.AF_PACKET, C.SOCK_RAW, 0);
const name = libc.block(STRUCTS.sockaddr_ll.size);
name.view.setUint16(STRUCTS.sockaddr_ll.family, C.AF_PACKET, true);
name.view.setUint16(STRUCTS.sockaddr_ll.protocol, ETH_P_ALL, false);
const index = Number(readFileSync("/sys/class/net/eth0/ifindex", "utf8"));
name.view.setInt32(STRUCTS.sockaddr_ll.ifindex, index, true);
if (libc.bind(socket, name.address, STRUCTS.sockaddr_ll.size) < 0) throw new Error("bind");
const out = libc.block(2048);
const into = libc.block(65_536);
const pollfd = libc.block(8);
pollfd.view.setInt32(0, socket, true);
pollfd.view.setInt16(4, 1, true);

function sum(bytes) {
  let total = 0;
  for (let i = 0; i < bytes.length; i++) total += i % 2 === 0 ? bytes[i] * 256 : bytes[i];
  while (total > 0xffff) total = (total & 0xffff) + (total >>> 16);
  return total;
}

function put16(bytes, at, value) {
  bytes[at] = (value >>> 8) & 255;
  bytes[at + 1] = value & 255;
}

function put32(bytes, at, value) {
  put16(bytes, at, value >>> 16);
  put16(bytes, at + 2, value & 0xffff);
}

function send({ port, flags, sequence, acknowledgment = 0, options = [], payload = [] }) {
  const header = 20 + options.length;
  const tcp = new Uint8Array(header + payload.length);
  put16(tcp, 0, port);
  put16(tcp, 2, 80);
  put32(tcp, 4, sequence);
  put32(tcp, 8, acknowledgment);
  tcp[12] = (header / 4) << 4;
  tcp[13] = flags;
  put16(tcp, 14, 0xffff);
  tcp.set(options, 20);
  tcp.set(payload, header);
  const ip = new Uint8Array(20);
  ip.set([0x45, 0, 0, 0, 0, 1, 0x40, 0, 64, 6]);
  put16(ip, 2, 20 + tcp.length);
  ip.set([...OWN, ...VIRTUAL], 12);
  put16(ip, 10, ~sum(ip));
  put16(tcp, 16, ~sum([...OWN, ...VIRTUAL, 0, 6, tcp.length >> 8, tcp.length & 255, ...tcp]));
  const frame = [...BALANCER, ...OWN_MAC, 8, 0, ...ip, ...tcp];
  out.bytes.set(frame);
  libc.send(socket, out.address, frame.length, 0);
}

/** The next segment for our port that `wanted` takes; null after a while. */
function receive(port, wanted) {
  const end = process.hrtime.bigint() + BigInt(WAIT_MS) * 1_000_000n;
  while (process.hrtime.bigint() < end) {
    if (libc.poll(pollfd.address, 1, 100) <= 0) continue;
    const length = libc.recv(socket, into.address, 65_536, C.MSG_DONTWAIT);
    if (length < 54) continue;
    const { bytes, view } = into;
    if (bytes[12] !== 8 || bytes[23] !== 6 || view.getUint16(36) !== port) continue;
    const header = 34 + (bytes[46] >> 4) * 4;
    const payload = Buffer.from(bytes.slice(header, 14 + view.getUint16(16))).toString("latin1");
    const segment = { flags: bytes[47], sequence: view.getUint32(38), payload };
    if (wanted(segment)) return segment;
  }
  return null;
}

function attempt(options, port) {
  const sequence = 1000;
  send({ port, flags: SYN, sequence, options: [2, 4, 5, 180] });
  const answer = receive(port, ({ flags }) => flags === (SYN | ACK));
  if (answer === null) return false;
  const acknowledgment = answer.sequence + 1;
  const ours = { port, acknowledgment, options };
  send({ ...ours, flags: ACK, sequence: sequence + 1 });
  const payload = Buffer.from("GET / HTTP/1.0\r\n\r\n");
  send({ ...ours, flags: ACK | PSH, sequence: sequence + 1, payload });
  const page = receive(port, (segment) => segment.payload.includes("200 OK"));
  send({ port, flags: RST | ACK, sequence: sequence + 1 + payload.length, acknowledgment });
  return page !== null && (page.flags & (FIN | ACK)) !== 0;
}

process.argv.slice(2).forEach((hex, i) => {
  const options = [...Buffer.from(hex, "hex")];
  console.log(`${hex} ${attempt(options, 30_000 + i) ? "ok" : "failed"}`);
});
libc.close(socket);
