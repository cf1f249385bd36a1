// A small pcapng reader for tests only: strict, little-endian, whole file in memory.

export interface ReadPacket {
  readonly interfaceId: number;
  /** Nanoseconds since 1970. */
  readonly time: bigint;
  readonly originalBytes: number;
  readonly data: number[];
  /** Option values by code, in the order of the file. */
  readonly options: readonly { readonly code: number; readonly value: number[] }[];
}

export interface ReadCapture {
  readonly interfaces: readonly { readonly name: string; readonly linkType: number }[];
  readonly packets: readonly ReadPacket[];
}

type Option = ReadPacket["options"][number];

export function readCapture(bytes: Uint8Array): ReadCapture {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const interfaces: { name: string; linkType: number }[] = [];
  const packets: ReadPacket[] = [];
  for (let at = 0; at < bytes.length;) {
    const type = view.getUint32(at, true);
    const total = view.getUint32(at + 4, true);
    if (total % 4 !== 0 || total < 12) throw new Error(`block of ${total} bytes at ${at}`);
    if (view.getUint32(at + total - 4, true) !== total) throw new Error(`lengths differ at ${at}`);
    const end = at + total - 4;
    if (type === 0x0a0d0d0a && view.getUint32(at + 8, true) !== 0x1a2b3c4d) {
      throw new Error("byte order");
    }
    if (type === 1) {
      const options = readOptions(view, at + 16, end);
      const name = options.find((option) => option.code === 2)?.value ?? [];
      interfaces.push({
        name: new TextDecoder().decode(Uint8Array.from(name)),
        linkType: view.getUint16(at + 8, true),
      });
    }
    if (type === 6) packets.push(readPacket(view, at, end));
    at += total;
  }
  return { interfaces, packets };
}

function readPacket(view: DataView, at: number, end: number): ReadPacket {
  const captured = view.getUint32(at + 20, true);
  const data: number[] = [];
  for (let i = 0; i < captured; i++) data.push(view.getUint8(at + 28 + i));
  return {
    interfaceId: view.getUint32(at + 8, true),
    time: (BigInt(view.getUint32(at + 12, true)) << 32n) | BigInt(view.getUint32(at + 16, true)),
    originalBytes: view.getUint32(at + 24, true),
    data,
    options: readOptions(view, at + 28 + ((captured + 3) & ~3), end),
  };
}

function readOptions(view: DataView, from: number, end: number): Option[] {
  const options: Option[] = [];
  for (let at = from; at < end;) {
    const code = view.getUint16(at, true);
    const length = view.getUint16(at + 2, true);
    if (code === 0) {
      if (at + 4 !== end) throw new Error("something lies behind opt_endofopt");
      return options;
    }
    const value: number[] = [];
    for (let i = 0; i < length; i++) value.push(view.getUint8(at + 4 + i));
    options.push({ code, value });
    at += 4 + ((length + 3) & ~3);
  }
  throw new Error("options without opt_endofopt");
}
