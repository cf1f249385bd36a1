// Replay tokens: a schedule as text, `SOURCE-SCHEDULE`. SOURCE is the beginning of the source's
// hash, so that a token of another version of the file is refused. SCHEDULE is a list of a thread
// (a to z, A to Z) and its number of steps if not 1; `.3` after a step gives what it chose.
import { PacketpathError } from "../../base/errors.js";

const LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
const HASH_DIGITS = 4;

/** One step of a schedule. */
export interface TokenMove {
  readonly thread: number;
  readonly choice: number;
  readonly isChoice: boolean;
}

export function encodeToken(sourceHash: string, moves: readonly TokenMove[]): string {
  let text = "";
  for (let i = 0; i < moves.length;) {
    const { thread } = moves[i]!;
    let count = 1;
    // A run ends with a choice, so that `.` always belongs to its last step.
    while (
      !moves[i + count - 1]!.isChoice &&
      i + count < moves.length &&
      moves[i + count]!.thread === thread
    ) {
      count++;
    }
    const last = moves[i + count - 1]!;
    text += `${LETTERS[thread]}${count === 1 ? "" : count}`;
    if (last.isChoice) text += `.${last.choice}`;
    i += count;
  }
  return `${sourceHash.slice(0, HASH_DIGITS)}-${text}`;
}

/** @throws PacketpathError USAGE when the text is no token of this source. */
export function decodeToken(token: string, sourceHash: string, threads: number): TokenMove[] {
  const wrong = (message: string, fix?: string) =>
    new PacketpathError(
      "USAGE",
      `--replay "${token}": ${message}`,
      fix === undefined ? {} : { fix },
    );
  const [, hash = "", schedule = ""] =
    /^([0-9a-f]{4})-((?:[a-zA-Z]\d*(?:\.\d+)?)*)$/.exec(token) ?? [];
  if (hash === "") throw wrong("not a token", "Copy it from the result of packetpath explore.");
  if (hash !== sourceHash.slice(0, HASH_DIGITS)) {
    throw wrong(
      `belongs to another version of the source (${hash}, not ${sourceHash.slice(0, 4)})`,
    );
  }
  const moves: TokenMove[] = [];
  for (const [, letter, times, choice] of schedule.matchAll(/([a-zA-Z])(\d*)(?:\.(\d+))?/g)) {
    const thread = LETTERS.indexOf(letter!);
    const count = times === "" ? 1 : Number(times);
    if (thread >= threads) throw wrong(`the program has ${threads} threads, no "${letter}"`);
    if (count < 1 || moves.length + count > 1_000_000) throw wrong(`${count} steps of "${letter}"`);
    for (let i = 1; i < count; i++) moves.push({ thread, choice: 0, isChoice: false });
    moves.push({ thread, choice: Number(choice ?? 0), isChoice: choice !== undefined });
  }
  return moves;
}
