// Reads vitest's JSON results: names each skipped test, then one plain line with the counts. Fails
// when a test failed, when a file could not be loaded, and when there was nothing to count.
import { readFileSync } from "node:fs";
import { relative } from "node:path";

function read(file) {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch {
    return null;
  }
}

const results = process.argv.slice(2).map(read);
if (results.length === 0 || results.includes(null)) {
  console.log("0 passed, 0 failed, 0 skipped (vitest left no result)");
  process.exit(1);
}
const files = results.flatMap((one) => one.testResults);
const cases = files.flatMap((file) =>
  file.assertionResults.map((one) => ({ ...one, file: relative(process.cwd(), file.name) })),
);
const count = (statuses) => cases.filter((one) => statuses.includes(one.status)).length;
const skipped = cases.filter((one) => !["passed", "failed"].includes(one.status));
for (const one of skipped) console.log(`skipped: ${one.file}: ${one.fullName}`);
// A file that cannot be loaded fails without any case of its own.
const broken = files.filter(
  (file) =>
    file.status === "failed" && !file.assertionResults.some((one) => one.status === "failed"),
);
for (const file of broken) console.log(`failed to run: ${relative(process.cwd(), file.name)}`);
const passed = count(["passed"]);
const failed = count(["failed"]) + broken.length;
console.log(`${passed} passed, ${failed} failed, ${skipped.length} skipped`);
process.exit(failed > 0 || passed === 0 ? 1 : 0);
