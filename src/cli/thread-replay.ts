// `packetpath explore FILE --threads`: a counterexample repeated on real worker threads, and in how
// many of the repetitions they end in the same verdict. Main thread only.
import { EXIT, PacketpathError } from "../base/errors.js";
import type { ThreadRequest } from "../explore/threads/replay.js";
import type { ThreadReplay } from "../explore/threads/team.js";
import type { LoadedProgram } from "../explore/types.js";
import { writeOut } from "./failure.js";

/** Repetitions if the user names no number. */
export const THREAD_TIMES = 100;

/**
 * Repeats and prints; the exit code says whether every repetition ended in the expected verdict.
 * @throws PacketpathError USAGE when there is no counterexample to repeat.
 */
export async function repeatOnThreads(
  program: LoadedProgram,
  request: ThreadRequest,
  flags: { readonly json?: boolean },
): Promise<number> {
  if (request.token === "") {
    throw new PacketpathError("USAGE", "--threads: no counterexample to repeat", {
      fix: "Name a schedule: --replay TOKEN.",
    });
  }
  const { replayOnThreads } = await import("../explore/threads/replay.js");
  const runs = await replayOnThreads(program, request);
  const [first] = runs as [ThreadReplay];
  const same = runs.filter((one) => one.verdict === first.verdict).length;
  const isExpected = same === runs.length && first.verdict === program.expect;
  const code = isExpected ? EXIT.asExpected : EXIT.notAsExpected;
  const { verdict, message, steps, threads } = first;
  if (flags.json === true) {
    const counts = { times: runs.length, same };
    const { name } = program;
    const json = { schemaVersion: 1, program: name, verdict, message, steps, ...counts, threads };
    await writeOut(process.stdout, `${JSON.stringify(json)}\n`);
    return code;
  }
  const lines = [
    `${verdict}: ${program.name}, on real threads ${same} of ${runs.length}`,
    ...(message === "" ? [] : [`  ${message}`]),
    `  ${steps} steps, replay: --replay ${request.token}`,
    ...threads.map(({ name, how }) => `  ${name} ${how}`),
  ];
  await writeOut(process.stdout, `${lines.join("\n")}\n`);
  return code;
}
