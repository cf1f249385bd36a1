// Local values as text, for the keys of local states: equal texts only for values that a program
// cannot tell apart. Called by the runtime of explored programs; any thread; pure.
import { types } from "node:util";
import { OWN, type Plain } from "./source/realm/realm.js";

/** The objects met so far, and whether something hides what it holds. */
interface Walk {
  met: Map<object, number> | null;
  isHidden: boolean;
  readonly plain: Plain;
}

/**
 * Values as text; the same object twice is told from an equal copy. Null if one of them has state
 * that cannot be read from outside: a closure, an iterator, a regular expression, a WeakMap.
 * `plain`: the prototypes of the world that they are of.
 */
export function serialize(values: readonly unknown[], plain: Plain = OWN): string | null {
  const walk: Walk = { met: null, isHidden: false, plain };
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

/** What has more to it than properties, whatever it calls itself. */
const HIDING = [types.isMap, types.isSet, types.isWeakMap, types.isWeakSet, types.isRegExp];

function contentOf(value: object, walk: Walk): string {
  if (Array.isArray(value)) return arrayText(value as readonly unknown[], walk);
  if (types.isArrayBuffer(value)) return `b[${new Uint8Array(value).join()}]`;
  if (ArrayBuffer.isView(value)) {
    const kind = Object.prototype.toString.call(value);
    return `${kind}${value.byteOffset},${value.byteLength},${textOf(value.buffer, walk)}`;
  }
  const proto: unknown = Object.getPrototypeOf(value);
  const isEmpty = Reflect.ownKeys(value).length === 0;
  const { plain } = walk;
  if (types.isMap(value) && proto === plain.map && isEmpty) {
    return `m{${[...value].flatMap((entry) => entry.map((one) => textOf(one, walk))).join()}}`;
  }
  if (types.isSet(value) && proto === plain.set && isEmpty) {
    return `s{${[...value].map((one) => textOf(one, walk)).join()}}`;
  }
  if (HIDING.some((is) => is(value))) return hidden(walk);
  if (proto !== plain.object && Object.prototype.toString.call(value) !== "[object Object]") {
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
  const isPlain = Object.getPrototypeOf(items) === walk.plain.array;
  return isPlain && Reflect.ownKeys(items).length === keys ? `[${text}]` : hidden(walk);
}

/** What an object inherits from: nothing, a class of the module by its text, or another object. */
function prototypeText(proto: unknown, walk: Walk): string {
  if (proto === walk.plain.object) return "";
  if (proto === null) return "0";
  const maker: unknown = Object.getOwnPropertyDescriptor(proto as object, "constructor")?.value;
  const isOfClass = typeof maker === "function" && maker.prototype === proto;
  return isOfClass ? `f${String(maker)}` : `^${textOf(proto, walk)}`;
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
