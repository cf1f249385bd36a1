// The world that a program's module runs in: JavaScript's own objects anew, and of its globals only
// those that programs may name. So whatever a module does to an array's prototype reaches nobody
// else, no text becomes code, and nothing tells the time or draws lots, by whichever name it is
// reached. Any thread.
import { types } from "node:util";
import { createContext, runInContext } from "node:vm";
import { Snapshot } from "./snapshot.js";

/** Globals of JavaScript that a program may use. */
export const GLOBALS: ReadonlySet<string> = new Set(
  (
    "Array ArrayBuffer BigInt Boolean DataView Error Float32Array Float64Array Infinity " +
    "Int16Array Int32Array Int8Array JSON Map Math NaN Number Object RangeError RegExp Set " +
    "String Symbol TypeError Uint16Array Uint32Array Uint8Array WeakMap WeakSet isFinite isNaN " +
    "parseFloat parseInt undefined"
  ).split(" "),
);

/** Prototypes of what can be read from outside. */
export interface Plain {
  readonly object: object;
  readonly array: object;
  readonly map: object;
  readonly set: object;
}

/** Those of the code that is not a program's. */
export const OWN: Plain = {
  object: Object.prototype,
  array: Array.prototype as object,
  map: Map.prototype,
  set: Set.prototype,
};

/**
 * Takes away what a program may not have, or has another way to do: an object gets its prototype
 * when it is made. Errors tell what they say, not from where. Hands out what is left.
 */
const SET_UP = `"use strict";
(allowed) => {
  const world = globalThis;
  for (const name of Object.getOwnPropertyNames(world)) {
    if (!allowed.has(name)) delete world[name];
  }
  delete Math["random"];
  delete Object.setPrototypeOf;
  delete Object.prototype.__proto__;
  delete Error.captureStackTrace;
  Object.defineProperty(Error, "stackTraceLimit", { value: 0 });
  const iterator = Object.getPrototypeOf([][Symbol.iterator]());
  const parts = Object.getOwnPropertyNames(world).map((name) => [name, world[name]]);
  const generate = Object.getPrototypeOf(function* () {});
  const texts = [""[Symbol.iterator](), "".matchAll(/a/g), new Map().keys(), new Set().keys()];
  return {
    parts: [
      ...parts,
      ["Array", iterator],
      ["Object", generate],
      ...texts.map((one) => ["String", Object.getPrototypeOf(one)]),
    ],
    iterator: Object.getPrototypeOf(iterator),
    generator: generate.prototype,
    identity: (one) => one,
    plain: {
      object: Object.prototype,
      array: Array.prototype,
      map: Map.prototype,
      set: Set.prototype,
    },
  };
}`;

interface SetUp {
  readonly parts: readonly (readonly [name: string, value: unknown])[];
  readonly iterator: object;
  readonly generator: object;
  readonly identity: (one: unknown) => unknown;
  readonly plain: Plain;
}

export class Realm {
  /** What code is compiled in. */
  readonly context = createContext({}, { codeGeneration: { strings: false, wasm: false } });
  /** A function of this world that hands back what it gets. */
  readonly identity: (one: unknown) => unknown;
  readonly plain: Plain;
  private readonly iterator: object;
  private readonly generator: object;
  private readonly own: Snapshot;

  constructor() {
    const setUp = runInContext(SET_UP, this.context) as (names: ReadonlySet<string>) => SetUp;
    const { parts, iterator, generator, identity, plain } = setUp(GLOBALS);
    this.iterator = iterator;
    this.generator = generator;
    this.identity = identity;
    this.plain = plain;
    this.own = new Snapshot();
    for (const [name, value] of parts) this.own.add(value, name);
  }

  /** Whether an object is one of JavaScript's own. */
  has(one: object): boolean {
    return this.own.has(one);
  }

  isIterator(one: object): boolean {
    // The thread functions are generators, and have an object each that theirs inherit from.
    if (Object.getPrototypeOf(one) === this.generator) return types.isGeneratorObject(one);
    return Object.prototype.isPrototypeOf.call(this.iterator, one);
  }

  /** Below which name one of JavaScript's own objects is not as it was; null if all are. */
  changed(): string | null {
    return this.own.changed();
  }
}
