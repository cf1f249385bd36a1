// `packetpath merge PART...`: the one result of an exploration that was split with --shard. Needs
// the parts only, not the program. Main thread only.
import type { Command } from "commander";
import { EXIT } from "../../base/errors.js";
import { mergeParts, parsePart } from "../../explore/shard/merge.js";
import { resultText } from "../exploration-text.js";
import { writeOut } from "../failure.js";
import { readText } from "../input.js";

export function addMergeCommand(program: Command, exit: (code: number) => void): void {
  program
    .command("merge")
    .summary("put the parts of a split exploration together")
    .description(
      "Reads what packetpath explore FILE --shard I/N --out PART wrote for each I.\n" +
        "Exits with 0 if the verdict of the whole is the one that the program expects.",
    )
    .argument("<parts...>", "all parts, in any order")
    .option("--json", "print the result as one JSON object")
    .action(async (files: string[], flags: { readonly json?: boolean }) => {
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
