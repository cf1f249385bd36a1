// Local values as text, for the keys of local states: equal texts only for values that a program
// cannot tell apart. Called by the runtime of explored programs; any thread; pure.

/** The objects met so far, and whether something hides what it holds. */
interface Walk {
  met: Map<object, number> | null;
  isHidden: boolean;
}

/**
 * Values as text; the same object twice is told from an equal copy. Null if one of them has state
 * that cannot be read from outside: a closure, an iterator, a regular expression, a WeakMap.
 */
export function serialize(values: readonly unknown[]): string | null {
  const walk: Walk = { met: null, isHidden: false };
  let text = "";
  for (const value of values) text += `${textOf(value, walk)},`;
  return walk.isHidden ? null : text;
}

function textOf(value: unknown, walk: Walk): string {
  // Most locals are numbers.
  if (typeof value === "number") return Object.is(value, -0) ? "-0" : `${value}`;
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value === "symbol" || typeof value === "function") return hidden(walk);
  if (typeof value !== "object" || value === null) return `${value}`;
  const met = (walk.met ??= new Map<object, number>());
  const before = met.get(value);
  if (before !== undefined) return `#${before}`;
  met.set(value, met.size);
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

/** Items, with holes told from what is undefined. An array has them and a length, nothing else. */
function arrayText(items: readonly unknown[], walk: Walk): string {
  let text = "";
  let keys = 1;
  for (let i = 0; i < items.length; i++) {
    const isHole = !Object.hasOwn(items, i);
    if (!isHole) keys++;
    text += isHole ? "-," : `${textOf(items[i], walk)},`;
  }
  const isPlain = Object.getPrototypeOf(items) === Array.prototype;
  return isPlain && Reflect.ownKeys(items).length === keys ? `[${text}]` : hidden(walk);
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
