// The far end of an endpoint's device, frame by frame: what the namespace's kernel sends, or the
// twin in memory. Queues are chosen as for any frame that is sent there.
import { block, C, close, sendto, socket, STRUCTS, withNetns } from "@packetpath/libc";
import { openMemoryHostSide } from "../../../src/host/memory/backend.js";
import type { EndpointLab } from "../../../src/scenario/endpoint/lab.js";
import { EndpointLab as Lab } from "../../../src/scenario/endpoint/lab.js";
import { buildEthernet } from "../../../src/wire/ethernet.js";
import { buildIpv4, IP_PROTO } from "../../../src/wire/ipv4.js";
import { put16 } from "../../../src/wire/bytes.js";

export interface FarEnd {
  /** 0 or more if the frame was taken; the negative errno. */
  send(frame: Uint8Array): number;
  close(): void;
}

export function openFarEnd(lab: EndpointLab): FarEnd {
  return lab.backend.kind === "linux" ? packetSocket(lab) : memorySide(lab);
}

function packetSocket({ namespace, device }: EndpointLab): FarEnd {
  const fd = withNetns(namespace.handle, () => socket(C.AF_PACKET, C.SOCK_RAW, 0));
  const { sockaddr_ll } = STRUCTS;
  const to = block(sockaddr_ll.size);
  to.view.setUint16(sockaddr_ll.family, C.AF_PACKET, true);
  to.view.setInt32(sockaddr_ll.ifindex, device.ifindex, true);
  const buffer = block(2048);
  return {
    send(frame) {
      buffer.bytes.set(frame);
      const address = { address: to.address, length: sockaddr_ll.size };
      return sendto(fd, buffer.address, frame.length, 0, address);
    },
    close: () => void close(fd),
  };
}

function memorySide({ backend, device }: EndpointLab): FarEnd {
  const side = openMemoryHostSide(backend.descriptor());
  const buffer = new Uint8Array(2048);
  side.useBuffer(buffer.buffer);
  return {
    send(frame) {
      buffer.set(frame);
      return side.transmit(device, 0, frame.length, 0);
    },
    close: () => side.close(),
  };
}

/** A datagram to the endpoint; the source port makes it one flow or another. */
export function datagram(sourcePort: number, destination: string = Lab.own.mac): Uint8Array {
  const payload = new Uint8Array(12);
  put16(payload, 0, sourcePort);
  put16(payload, 2, 9);
  put16(payload, 4, payload.length);
  const packet = buildIpv4({
    source: Lab.host.address,
    destination: Lab.own.address,
    protocol: IP_PROTO.udp,
    payload,
  });
  return buildEthernet({ destination, source: Lab.host.mac, type: 0x0800, payload: packet });
}

/** Of a type for experiments (IEEE 802), with one byte that says what it is for. */
export function experiment(code: number): Uint8Array {
  const payload = new Uint8Array(46);
  payload[0] = code;
  return buildEthernet({
    destination: Lab.own.mac,
    source: Lab.host.mac,
    type: 0x88b5,
    payload,
  });
}
