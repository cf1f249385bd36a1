// All that can be reached from some values, as it was at a time, to be compared with what is there
// later. Looks at objects without running any code of theirs. Any thread; changes nothing.
import { types } from "node:util";

/** One object, with its parts in the order of a walk, and what it was first reached by. */
interface Shape {
  readonly object: object;
  readonly parts: readonly unknown[];
  readonly by: string;
}

export class Snapshot {
  private readonly shapes = new Map<object, Shape>();
  /** How many parts there are to compare. */
  size = 0;

  has(object: object): boolean {
    return this.shapes.has(object);
  }

  /** Adds what can be reached from a value; `visit` says of an object whether to look into it. */
  add(root: unknown, by: string, visit: (object: object) => boolean = () => true): void {
    // Grows while it is gone through.
    const found = [root];
    for (const one of found) {
      if (!isObject(one) || this.shapes.has(one) || !visit(one)) continue;
      const parts = partsOf(one);
      this.shapes.set(one, { object: one, parts, by });
      this.size += parts.length;
      found.push(...parts);
    }
  }

  /** What the first object was reached by that is not as it was; null if all are. */
  changed(): string | null {
    for (const { object, parts, by } of this.shapes.values()) {
      const now = partsOf(object);
      if (now.length !== parts.length) return by;
      for (let i = 0; i < now.length; i++) if (!Object.is(now[i], parts[i])) return by;
    }
    return null;
  }
}

function isObject(value: unknown): value is object {
  return (typeof value === "object" && value !== null) || typeof value === "function";
}

/** What an object is made of. */
function partsOf(object: object): unknown[] {
  const parts: unknown[] = [Object.getPrototypeOf(object), Object.isExtensible(object)];
  if (types.isArrayBuffer(object)) {
    for (const byte of new Uint8Array(object)) parts.push(byte);
  }
  if (ArrayBuffer.isView(object)) {
    // Its items are the bytes of its buffer; only a DataView has no items beside its properties.
    parts.push(object.buffer, object.byteOffset, object.byteLength);
    if (!types.isDataView(object)) return parts;
  }
  for (const key of Reflect.ownKeys(object)) {
    const { value, get, set, writable, enumerable, configurable } = Object.getOwnPropertyDescriptor(
      object,
      key,
    )!;
    const flags = Number(writable) + 2 * Number(enumerable) + 4 * Number(configurable);
    parts.push(key, value ?? get, set, flags);
  }
  if (types.isMap(object)) for (const [key, value] of object) parts.push(key, value);
  if (types.isSet(object)) for (const one of object) parts.push(one);
  return parts;
}
