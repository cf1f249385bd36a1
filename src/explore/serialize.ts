// Local values as text, for the keys of local states: equal texts only for values that a program
// cannot tell apart. Called by the runtime of explored programs; any thread; pure.

/** The objects met so far, and whether something hides what it holds. */
interface Walk {
  readonly met: Map<object, number>;
  isHidden: boolean;
}

/**
 * Values as text; the same object twice is told from an equal copy. Null if one of them has state
 * that cannot be read from outside: a closure, an iterator, a regular expression, a WeakMap.
 */
export function serialize(value: unknown): string | null {
  const walk: Walk = { met: new Map(), isHidden: false };
  const text = textOf(value, walk);
  return walk.isHidden ? null : text;
}

function textOf(value: unknown, walk: Walk): string {
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value === "symbol" || typeof value === "function") return hidden(walk);
  if (typeof value !== "object" || value === null) return Object.is(value, -0) ? "-0" : `${value}`;
  const before = walk.met.get(value);
  if (before !== undefined) return `#${before}`;
  walk.met.set(value, walk.met.size);
  const text = contentOf(value, walk);
  return Object.isExtensible(value) ? text : `${text}!`;
}

function hidden(walk: Walk): string {
  walk.isHidden = true;
  return "?";
}

function contentOf(value: object, walk: Walk): string {
  if (Array.isArray(value)) return arrayText(value as readonly unknown[], walk);
  if (value instanceof ArrayBuffer) return `b[${new Uint8Array(value).join()}]`;
  if (ArrayBuffer.isView(value)) {
    const kind = Object.prototype.toString.call(value);
    return `${kind}${value.byteOffset},${value.byteLength},${textOf(value.buffer, walk)}`;
  }
  const proto: unknown = Object.getPrototypeOf(value);
  const isEmpty = Reflect.ownKeys(value).length === 0;
  if (value instanceof Map && proto === Map.prototype && isEmpty) {
    return `m{${[...value].flatMap((entry) => entry.map((one) => textOf(one, walk))).join()}}`;
  }
  if (value instanceof Set && proto === Set.prototype && isEmpty) {
    return `s{${[...value].map((one) => textOf(one, walk)).join()}}`;
  }
  if (proto !== Object.prototype && Object.prototype.toString.call(value) !== "[object Object]") {
    return hidden(walk);
  }
  return `${prototypeText(proto, walk)}{${propertiesText(value, walk)}}`;
}

/** Items, with holes told from what is undefined. */
function arrayText(items: readonly unknown[], walk: Walk): string {
  const isPlain = Object.getPrototypeOf(items) === Array.prototype;
  if (!isPlain || Object.keys(items).length > items.length) return hidden(walk);
  const texts = Array.from(items, (one, i) => (i in items ? textOf(one, walk) : "-"));
  const isList = Reflect.ownKeys(items).every(
    (key) => key === "length" || /^\d+$/.test(String(key)),
  );
  return isList ? `[${texts.join()}]` : hidden(walk);
}

/** What an object inherits from: nothing, a class of the module by its text, or another object. */
function prototypeText(proto: unknown, walk: Walk): string {
  if (proto === Object.prototype) return "";
  if (proto === null) return "0";
  if (!Object.hasOwn(proto as object, "constructor")) return `^${textOf(proto, walk)}`;
  const { constructor } = proto as { constructor: unknown };
  return typeof constructor === "function" ? `f${String(constructor)}` : hidden(walk);
}

function propertiesText(value: object, walk: Walk): string {
  const texts = Reflect.ownKeys(value).map((key) => {
    const one = Object.getOwnPropertyDescriptor(value, key)!;
    if (typeof key === "symbol" || !("value" in one)) return hidden(walk);
    const isUsual = one.writable === true && one.enumerable === true && one.configurable === true;
    const kind = isUsual ? "" : `${one.writable}${one.enumerable}${one.configurable}`;
    return `${JSON.stringify(key)}${kind}:${textOf(one.value, walk)}`;
  });
  return texts.join();
}
