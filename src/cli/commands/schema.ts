// `packetpath schema`: the JSON schema of scenario files. Main thread only.
import type { Command } from "commander";
import { EXIT } from "../../base/errors.js";
import { writeOut } from "../failure.js";

export function addSchemaCommand(program: Command, exit: (code: number) => void): void {
  program
    .command("schema")
    .summary("print the JSON schema of scenario files")
    .description("Prints the JSON schema (draft 2020-12) of scenario files, for editors.")
    .action(async () => {
      const { scenarioJsonSchema } = await import("../../scenario/schema.js");
      await writeOut(process.stdout, scenarioJsonSchema());
      exit(EXIT.asExpected);
    });
}
