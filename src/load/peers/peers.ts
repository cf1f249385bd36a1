// Who is at the other end of a server's connection: what its socket says, or, behind a balancer
// that replaces addresses, what the receiver at the server's port has learned. Server threads.
import type { Socket } from "node:net";
import {
  type ClientAddress,
  newClientAddress,
  readAddressText,
} from "../../balancer/address-text.js";
import { type ReceiverMemory, ToaReceiver } from "../../balancer/receiver/toa-receiver.js";
import { nowMs } from "../../base/clock.js";

export class Peers {
  private readonly receiver: ToaReceiver | null;
  private readonly peer = newClientAddress();
  private readonly own = newClientAddress();
  private readonly learned = newClientAddress();
  private readonly said = newClientAddress();

  /** @param memory null: nobody but the socket knows. */
  constructor(memory: ReceiverMemory | null) {
    this.receiver = memory === null ? null : new ToaReceiver(memory);
  }

  /** The address that a statement (`10.0.0.1 40000`) says, until asked again; null: none. */
  stated(text: string): ClientAddress | null {
    const [address = "", port = ""] = text.split(" ");
    return readAddressText(address, Number(port), this.said) ? this.said : null;
  }

  /** Whether the server knows that this is the address of its client. */
  isPeer(socket: Socket, client: ClientAddress): boolean {
    const { remoteAddress = "", remotePort = 0, localAddress = "", localPort = 0 } = socket;
    const { peer, own, learned } = this;
    if (!readAddressText(remoteAddress, remotePort, peer)) return false;
    if (!readAddressText(localAddress, localPort, own)) return false;
    if (this.receiver === null) return isSame(peer, client);
    const family = socket.remoteFamily === "IPv6" ? 6 : 4;
    const tuple = { protocol: "tcp" as const, peer, own };
    return this.receiver.nameOf(tuple, family, nowMs(), learned) && isSame(learned, client);
  }
}

function isSame(a: ClientAddress, b: ClientAddress): boolean {
  return a.port === b.port && a.words.every((word, i) => word === b.words[i]);
}
