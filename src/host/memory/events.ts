// The log of link events: twin of the RTMGRP_LINK multicast group. Written by whoever configures
// a device; read by each DeviceControl with a cursor of its own.
import { lock, ringAll, unlock } from "./waiting.js";
import { DEVICE, DEVICES_AT, DEVICE_WORDS, EVENT, EVENTS_AT } from "./layout.js";
import { EVENT_SLOTS, EVENT_WORDS, HEADER, type Image } from "./layout.js";

export const EVENT_KINDS = ["new", "changed", "deleted"] as const;
export const EVENT_NEW = 0;
export const EVENT_CHANGED = 1;
export const EVENT_DELETED = 2;

/** One entry of the log, as read. */
export interface LoggedEvent {
  readonly kind: number;
  readonly namespace: number;
  readonly ifindex: number;
  readonly up: boolean;
  readonly carrier: boolean;
  readonly name: string;
}

/** Appends the device's present state to the log and wakes all watchers. */
export function logEvent(image: Image, deviceSlot: number, kind: number): void {
  const words = image.words;
  const device = DEVICES_AT + deviceSlot * DEVICE_WORDS;
  lock(words, HEADER.eventLock);
  const count = words[HEADER.eventCount]!;
  const at = EVENTS_AT + (count & (EVENT_SLOTS - 1)) * EVENT_WORDS;
  words[at + EVENT.kind] = kind;
  words[at + EVENT.namespace] = words[device + DEVICE.namespace]!;
  words[at + EVENT.ifindex] = words[device + DEVICE.ifindex]!;
  words[at + EVENT.up] = words[device + DEVICE.up]!;
  words[at + EVENT.carrier] = words[device + DEVICE.carrier]!;
  for (let i = 0; i < 4; i++) words[at + EVENT.name + i] = words[device + DEVICE.name + i]!;
  Atomics.store(words, HEADER.eventCount, (count + 1) | 0);
  unlock(words, HEADER.eventLock);
  ringAll(words);
}

/** How many events there have been (wraps at 32 bits). */
export function eventCount(image: Image): number {
  return Atomics.load(image.words, HEADER.eventCount);
}

/** Reads the events from `cursor` on; null when some of them are overwritten already. */
export function readEvents(image: Image, cursor: number): LoggedEvent[] | null {
  const words = image.words;
  const events: LoggedEvent[] = [];
  lock(words, HEADER.eventLock);
  const missed = (words[HEADER.eventCount]! - cursor) | 0;
  for (let i = 0; missed <= EVENT_SLOTS && i < missed; i++) {
    const at = EVENTS_AT + ((cursor + i) & (EVENT_SLOTS - 1)) * EVENT_WORDS;
    events.push({
      kind: words[at + EVENT.kind]!,
      namespace: words[at + EVENT.namespace]!,
      ifindex: words[at + EVENT.ifindex]!,
      up: words[at + EVENT.up] === 1,
      carrier: words[at + EVENT.carrier] === 1,
      name: nameAt(image, at + EVENT.name),
    });
  }
  unlock(words, HEADER.eventLock);
  return missed <= EVENT_SLOTS ? events : null;
}

/** A zero-terminated name of up to 15 characters. */
export function nameAt(image: Image, word: number): string {
  let text = "";
  for (let i = 0; i < 15; i++) {
    const byte = image.bytes[word * 4 + i]!;
    if (byte === 0) break;
    text += String.fromCharCode(byte);
  }
  return text;
}

export function setNameAt(image: Image, word: number, name: string): void {
  for (let i = 0; i < 16; i++) {
    image.bytes[word * 4 + i] = i < name.length ? name.charCodeAt(i) & 0x7f : 0;
  }
}
