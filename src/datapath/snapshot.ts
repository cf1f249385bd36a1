// A frame as it was, to be put back after a copy of it was changed: where it lies, its headers, and
// the metadata of its key. A frame is never copied as a whole; what actions write lies in front.
// One per level of nesting of a worker; allocates only when headers are longer than any before.
import { KEY_PACKET_WORDS, KEY_WORDS } from "../flow/key.js";
import { locateHeaders, newHeaderPlaces } from "../wire/rewrite.js";
import type { Frame } from "./datapath.js";

/** What actions write of a transport, or of a header that is none; the inner packet of an error. */
const TRANSPORT_BYTES = 136;
const NETWORK_BYTES = 64;
const LINK_BYTES = 22;
const FIRST_BYTES = 512;
const ICMPV6 = 58;

export class Snapshot {
  private bytes = new Uint8Array(FIRST_BYTES);
  private readonly metadata = new Uint32Array(KEY_WORDS - KEY_PACKET_WORDS);
  private readonly places = newHeaderPlaces();
  private start = 0;
  private size = 0;
  private offset = 0;
  private length = 0;
  private vnetOffset = 0;

  take(frame: Frame, key: Uint32Array): void {
    this.offset = frame.offset;
    this.length = frame.length;
    this.vnetOffset = frame.vnetOffset;
    this.start = frame.vnetOffset >= 0 ? frame.vnetOffset : frame.offset;
    this.size = this.headersEnd(frame) - this.start;
    if (this.size > this.bytes.length) this.bytes = new Uint8Array(this.size * 2);
    for (let i = 0; i < this.size; i++) this.bytes[i] = frame.bytes[this.start + i]!;
    for (let i = KEY_PACKET_WORDS; i < KEY_WORDS; i++)
      this.metadata[i - KEY_PACKET_WORDS] = key[i]!;
  }

  putBack(frame: Frame, key: Uint32Array): void {
    frame.offset = this.offset;
    frame.length = this.length;
    frame.vnetOffset = this.vnetOffset;
    for (let i = 0; i < this.size; i++) frame.bytes[this.start + i] = this.bytes[i]!;
    for (let i = KEY_PACKET_WORDS; i < KEY_WORDS; i++)
      key[i] = this.metadata[i - KEY_PACKET_WORDS]!;
  }

  private headersEnd(frame: Frame): number {
    const { places } = this;
    const end = frame.offset + frame.length;
    locateHeaders(frame.bytes, frame.offset, frame.length, places);
    // The option that a neighbor-discovery address lies in may be the last one.
    if (places.protocol === ICMPV6) return end;
    if (places.transport >= 0) return Math.min(end, places.transport + TRANSPORT_BYTES);
    if (places.network >= 0) return Math.min(end, places.network + NETWORK_BYTES);
    return Math.min(end, frame.offset + LINK_BYTES);
  }
}
