// `packetpath merge PART...`: the one result of an exploration that was split with --shard. Needs
// the parts only, not the program. Main thread only.
import type { Command } from "commander";
import { EXIT, PacketpathError } from "../../base/errors.js";
import { mergeParts, parsePart } from "../../explore/shard/merge.js";
import {
  isMatrixPart,
  mergeMatrix,
  type MatrixPartFile,
} from "../../explore/system/results/parts.js";
import { resultText } from "../exploration/text.js";
import { writeOut } from "../failure.js";
import { readText } from "../input.js";
import { matrixExit, matrixJson, matrixWords } from "../matrix-text.js";

export function addMergeCommand(program: Command, exit: (code: number) => void): void {
  program
    .command("merge")
    .summary("put the parts of a split exploration together")
    .description(
      "Reads what explore FILE --shard I/N --out PART wrote for each I, or matrix --shard. " +
        "Exits with 0 if the verdict of the whole is the one that the program expects.",
    )
    .argument("<parts...>", "all parts, in any order")
    .option("--json", "print the result as one JSON object")
    .action(async (files: string[], flags: { readonly json?: boolean }) => {
      const matrix = matrixParts(files);
      if (matrix !== null) {
        const whole = mergeMatrix(matrix);
        const text = flags.json === true ? matrixJson(whole) : await matrixWords(whole);
        await writeOut(process.stdout, text);
        return exit(matrixExit(whole));
      }
      const result = mergeParts(files.map((file) => parsePart(readText(file), file)));
      const json = { schemaVersion: 1, guard: null, profile: null, ...result };
      const isJson = flags.json === true;
      await writeOut(
        process.stdout,
        isJson ? `${JSON.stringify(json)}\n` : await resultText(result),
      );
      exit(result.verdict === result.expected ? EXIT.asExpected : EXIT.notAsExpected);
    });
}

/** Parts of a matrix, if one of the files is such; null: parts of an exploration, or no parts. */
function matrixParts(files: readonly string[]): MatrixPartFile[] | null {
  const contents = files.map((file) => contentOf(readText(file)));
  if (!contents.some(isMatrixPart)) return null;
  return contents.map((part, i) => {
    if (isMatrixPart(part)) return { file: files[i]!, part };
    const message = "no part of a matrix; expected what matrix --shard I/N --out FILE wrote";
    throw new PacketpathError("USAGE", message, { place: { file: files[i]! } });
  });
}

function contentOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
