import { execFileSync, spawnSync } from "node:child_process";
import { join } from "node:path";

/**
 * Runs every test that tries many cases on a parser, with far more cases than the ordinary run has
 * time for: `npm run fuzz [cases]`, with a default of 100,000. A failure prints the seed that
 * reproduces it.
 */
const cases = process.argv[2] ?? "100000";
const root = join(import.meta.dirname, "..");
const files = execFileSync("git", ["grep", "--files-with-matches", "FUZZ_CASES", "--", "*.test.ts"], { cwd: root });
const paths = files.toString().trim().split("\n");
const timeout = 3_600_000; // ms: one test may take that long
const args = ["run", "--project", "unit", "--project", "server", `--testTimeout=${timeout}`, ...paths];
const { status } = spawnSync("vitest", args, {
  cwd: root,
  stdio: "inherit",
  env: { ...process.env, FUZZ_CASES: cases },
});
process.exitCode = status ?? 1;
