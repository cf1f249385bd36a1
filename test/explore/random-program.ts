// Random small programs as source text, for tests in which engines must agree.
import type { Random } from "../../src/base/random.js";

const HEAD =
  "import { add, cas, choose, ld, lock, program, read, st, tryLock, unlock, waitUntil," +
  ' waitWhile, write, xchg } from "packetpath/explore";\n';

/** Kinds of statements; the last two are accesses that race. */
const ATOMIC = 11;
export const WITH_PLAIN = 13;

/**
 * @param steps most statements of a thread.
 * @param kinds ATOMIC, or WITH_PLAIN for `read` and `write` too.
 */
export function randomProgram(
  random: Random,
  threads: number,
  steps: number,
  kinds = ATOMIC,
): string {
  const list = Array.from({ length: threads }, () => {
    return `({ x, y, m, n }) => {${body(random, 1 + random.below(steps), kinds)}}`;
  });
  const cells = 'cells: { x: 0, y: 0 }, locks: ["m", "n"]';
  return `${HEAD}export default program({ name: "r", ${cells}, threads: [${list.join(", ")}] });\n`;
}

function body(random: Random, steps: number, kinds: number): string {
  const held: string[] = [];
  let text = "";
  for (let i = 0; i < steps; i++) text += statement(random, held, kinds);
  // Sometimes a thread keeps its locks: then others block.
  return random.below(3) === 0
    ? text
    : text +
        held
          .reverse()
          .map((l) => ` unlock(${l});`)
          .join("");
}

function statement(random: Random, held: string[], kinds: number): string {
  const c = random.pick(["x", "y"]);
  const d = random.pick(["x", "y"]);
  const v = random.below(3);
  const l = random.pick(["m", "n"]);
  switch (random.below(kinds)) {
    case 0:
      return ` ld(${c});`;
    case 1:
      return ` st(${c}, ${v});`;
    case 2:
      return ` if (cas(${c}, ${v}, ${random.below(3)}) === ${v}) st(${d}, ${v});`;
    case 3:
      return ` st(${c}, ld(${d}) + 1);`;
    case 4:
      if (held.includes(l)) return "";
      held.push(l);
      return ` lock(${l});`;
    case 5:
      return held.length === 0 ? "" : ` unlock(${held.pop()});`;
    case 6:
      return ` waitWhile(${c}, ${v});`;
    case 7:
      return ` waitUntil(${c}, ${v});`;
    case 8:
      return ` if (choose(2) === 1) st(${c}, ${v});`;
    case 9:
      return held.includes(l) ? "" : ` if (tryLock(${l})) unlock(${l});`;
    case 11:
      return ` st(${d}, read(${c}));`;
    case 12:
      return ` write(${c}, ${v});`;
    default:
      return ` xchg(${c}, add(${d}, 1));`;
  }
}
