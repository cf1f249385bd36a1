// A reader of frames that shares no line with the code under test: bounds-checked DataViews, and
// checksums as RFC 1071 states them, summed anew over every byte. Throws what is wrong.

export interface ReadOption {
  readonly kind: number;
  /** Hex digits of the whole option. */
  readonly hex: string;
}

export interface ReadPacketView {
  readonly version: 4 | 6;
  readonly source: string;
  readonly destination: string;
  readonly protocol: number;
  /** Hex digits of IPv4 options, or of what lies between the IP header and the transport's. */
  readonly between: string;
  readonly packetBytes: number;
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly sequence: number;
  readonly acknowledgment: number;
  readonly headerBytes: number;
  readonly flags: number;
  readonly window: number;
  readonly options: readonly ReadOption[];
  /** Hex digits behind the end of the options. */
  readonly padding: string;
  readonly payload: string;
}

const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

/** The sum of 16-bit words; of 64 KiB it stays below 2^32. */
function sum16(bytes: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i++) sum += i % 2 === 0 ? bytes[i]! * 256 : bytes[i]!;
  return sum;
}

function folded(sum: number): number {
  let rest = sum;
  while (rest > 0xffff) rest = Math.floor(rest / 0x10000) + (rest % 0x10000);
  return rest;
}

function must(isRight: boolean, sentence: string): void {
  if (!isRight) throw new Error(sentence);
}

function readOptions(bytes: Uint8Array): { options: ReadOption[]; padding: string } {
  const options: ReadOption[] = [];
  let at = 0;
  while (at < bytes.length && bytes[at] !== 0) {
    const size = bytes[at] === 1 ? 1 : bytes[at + 1];
    if (size === undefined || (bytes[at] !== 1 && size < 2) || at + size > bytes.length) break;
    options.push({ kind: bytes[at]!, hex: hexOf(bytes.subarray(at, at + size)) });
    at += size;
  }
  return { options, padding: hexOf(bytes.subarray(at)) };
}

interface Vnet {
  readonly isPartial: boolean;
  readonly gsoType: number;
  readonly headerBytes: number;
  readonly gsoSize: number;
  readonly checksumStart: number;
  readonly checksumOffset: number;
}

export function readVnet(bytes: Uint8Array): Vnet {
  const view = new DataView(bytes.buffer, bytes.byteOffset, 12);
  return {
    isPartial: (view.getUint8(0) & 1) !== 0,
    gsoType: view.getUint8(1),
    headerBytes: view.getUint16(2, true),
    gsoSize: view.getUint16(4, true),
    checksumStart: view.getUint16(6, true),
    checksumOffset: view.getUint16(8, true),
  };
}

interface Network {
  readonly version: 4 | 6;
  readonly header: number;
  readonly packetBytes: number;
  readonly protocol: number;
  readonly addresses: Uint8Array;
}

function readNetwork(packet: Uint8Array): Network {
  const view = new DataView(packet.buffer, packet.byteOffset, packet.length);
  if (packet[0]! >> 4 === 6) {
    const packetBytes = 40 + view.getUint16(4);
    must(packetBytes <= packet.length, "IPv6: payload longer than the frame");
    const addresses = packet.subarray(8, 40);
    return { version: 6, header: 40, packetBytes, protocol: packet[6]!, addresses };
  }
  must(packet[0]! >> 4 === 4, "neither IPv4 nor IPv6");
  const header = (packet[0]! & 15) * 4;
  must(folded(sum16(packet.subarray(0, header))) === 0xffff, "IPv4: header checksum");
  const packetBytes = view.getUint16(2);
  must(packetBytes <= packet.length, "IPv4: longer than the frame");
  const addresses = packet.subarray(12, 20);
  return { version: 4, header, packetBytes, protocol: packet[9]!, addresses };
}

function pseudoHeader(network: Network, protocol: number, length: number): number {
  return sum16(network.addresses) + protocol + (length >> 16) + (length & 65535);
}

function verifyTransport(
  network: Network,
  transport: Uint8Array,
  protocol: number,
  isPartial: boolean,
): void {
  const place = protocol === 6 ? 16 : 6;
  const stored = (transport[place]! << 8) | transport[place + 1]!;
  const pseudo = pseudoHeader(network, protocol, transport.length);
  if (isPartial) must(folded(pseudo) === stored, "partial checksum: not the pseudo-header's sum");
  else if (protocol === 17 && stored === 0)
    must(network.version === 4, "UDP over IPv6 without one");
  else must(folded(pseudo + sum16(transport)) === 0xffff, "transport checksum");
}

/**
 * Reads one frame and checks every length and checksum in it.
 * @param frame from the Ethernet header to the end; without tags.
 * @param vnet the header in front of it, if there is one.
 */
export function readFrame(frame: Uint8Array, vnet: Vnet | null = null): ReadPacketView {
  const packet = frame.subarray(14);
  const network = readNetwork(packet);
  const { version, packetBytes } = network;
  const text = (bytes: Uint8Array): string => (version === 4 ? bytes.join(".") : hexOf(bytes));
  const half = network.addresses.length / 2;
  let start = network.header;
  let between = version === 4 ? hexOf(packet.subarray(20, network.header)) : "";
  let { protocol } = network;
  while (version === 6 && [0, 43, 44, 60].includes(protocol)) {
    const size = protocol === 44 ? 8 : (packet[start + 1]! + 1) * 8;
    between += hexOf(packet.subarray(start, start + size));
    protocol = packet[start]!;
    start += size;
  }
  if (protocol === 248) {
    const size = (packet[start + 2]! << 8) | packet[start + 3]!;
    must(packet[start + 1] === 17, "protocol 248 with something else than UDP");
    between += hexOf(packet.subarray(start, start + size));
    start += size;
    protocol = 17;
  }
  const transport = packet.subarray(start, packetBytes);
  const view = new DataView(transport.buffer, transport.byteOffset, transport.length);
  const isTcp = protocol === 6;
  const headerBytes = isTcp ? (transport[12]! >> 4) * 4 : 8;
  must(headerBytes <= transport.length, "transport header longer than the packet");
  if (!isTcp) must(view.getUint16(4) === transport.length, "UDP: length");
  if (vnet?.isPartial === true) {
    must(14 + start === vnet.checksumStart, "vnet: checksum start");
    must(vnet.checksumOffset === (isTcp ? 16 : 6), "vnet: checksum offset");
  }
  verifyTransport(network, transport, protocol, vnet?.isPartial === true);
  const { options, padding } = readOptions(
    isTcp ? transport.subarray(20, headerBytes) : transport.subarray(0, 0),
  );
  return {
    version,
    source: text(network.addresses.subarray(0, half)),
    destination: text(network.addresses.subarray(half)),
    protocol: network.protocol,
    between,
    packetBytes,
    sourcePort: view.getUint16(0),
    destinationPort: view.getUint16(2),
    sequence: isTcp ? view.getUint32(4) : 0,
    acknowledgment: isTcp ? view.getUint32(8) : 0,
    headerBytes,
    flags: isTcp ? view.getUint16(12) & 0xfff : 0,
    window: isTcp ? view.getUint16(14) : 0,
    options,
    padding,
    payload: hexOf(transport.subarray(headerBytes)),
  };
}
