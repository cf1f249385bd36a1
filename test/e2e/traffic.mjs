// One end of the traffic of the checksum tests, in a namespace of its own: TCP both ways, datagrams
// small and in fragments. Says whether what came is what was sent. Run by checksums.test.ts.
//   node traffic.mjs server PORT,PORT IP IP | client PORT IP IP | tx DEVICE 0|1
import { createSocket } from "node:dgram";
import { connect, createServer } from "node:net";
import { block, C, close, ioctl, socket, STRUCTS } from "@packetpath/libc";

/** linux/ethtool.h; switches transmit checksums, and with them what needs them (TSO, USO). */
const ETHTOOL_STXCSUM = 0x17;
const STREAM_BYTES = 600_000;
/**
 * Sent at once: two runs of one length each, which may leave together. Then one by one, for those
 * in fragments may be overtaken: a fragment without ports takes another queue.
 */
const BURSTS = [
  [...Array(12).fill(100), ...Array(12).fill(101)],
  [5],
  [1472],
  [1473],
  [4000],
  [9000],
];

const [, , role, first, ...rest] = process.argv;

/** Bytes that anybody can make again. */
function content(bytes, seed) {
  const data = Buffer.alloc(bytes);
  let state = seed * 2654435761;
  for (let i = 0; i < bytes; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    data[i] = state >>> 24;
  }
  return data;
}

const streamOf = (from) => content(STREAM_BYTES, from === "client" ? 1 : 2);
const datagrams = () => BURSTS.flat().map((bytes, i) => content(bytes, 100 + i));
const say = (text) => process.stdout.write(`${text}\n`);

function setTransmitChecksums(device, on) {
  const value = block(STRUCTS.ethtool_value.size);
  value.view.setUint32(STRUCTS.ethtool_value.cmd, ETHTOOL_STXCSUM, true);
  value.view.setUint32(STRUCTS.ethtool_value.data, on, true);
  const request = block(STRUCTS.ifreq.size);
  request.bytes.set(Buffer.from(device));
  request.view.setBigUint64(STRUCTS.ifreq.data, BigInt(value.address), true);
  const fd = socket(C.AF_INET, C.SOCK_DGRAM | C.SOCK_CLOEXEC, 0);
  const result = ioctl(fd, C.SIOCETHTOOL, request.address);
  close(fd);
  if (result < 0) throw new Error(`ETHTOOL_STXCSUM of ${device}: errno ${-result}`);
}

/** Sends its own stream and receives the other's; `done` when both are through. */
function exchange(stream, name, done) {
  const received = [];
  stream.on("data", (data) => received.push(data));
  stream.on("end", () => {
    const right = Buffer.concat(received).equals(streamOf(name === "client" ? "server" : "client"));
    say(`tcp ${right ? "whole" : "WRONG"}`);
    done();
  });
  stream.end(streamOf(name));
}

const socketOf = (address) => createSocket(address.includes(":") ? "udp6" : "udp4");

/** Until it is ended: every connection and datagram to one address and port. */
function serve(address, port, ready) {
  const udp = socketOf(address);
  udp.on("message", (data, from) => udp.send(data, from.port, from.address));
  udp.bind(port, address, () => {
    const tcp = createServer((stream) => exchange(stream, "server", () => undefined));
    tcp.listen(port, address, ready);
  });
}

function serveAll(ports, addresses) {
  let waiting = ports.length * addresses.length;
  const ready = () => --waiting === 0 && say("listening");
  for (const port of ports) for (const address of addresses) serve(address, port, ready);
}

/** Each datagram comes back, and after the last of a burst the next one is sent. */
function echoAll(address, port, done) {
  const udp = socketOf(address);
  const wanted = datagrams();
  let next = 0;
  let right = true;
  let sent = 0;
  const bursts = BURSTS.values();
  const send = () => {
    bursts.next().value.forEach(() => udp.send(wanted[sent++], port, address));
  };
  udp.on("message", (data) => {
    right &&= data.equals(wanted[next]);
    if (++next < sent) return;
    if (next < wanted.length) return send();
    udp.close();
    say(`udp ${right ? "whole" : "WRONG"} ${next}`);
    done();
  });
  send();
}

/** One address after the other. */
function askAll(port, [address, ...others]) {
  if (address === undefined) process.exit();
  const stream = connect({ host: address, port, allowHalfOpen: true }, () => {
    exchange(stream, "client", () => echoAll(address, port, () => askAll(port, others)));
  });
}

if (role === "tx") setTransmitChecksums(first, Number(rest[0]));
else if (role === "server") serveAll(first.split(",").map(Number), rest);
else askAll(Number(first), rest);
