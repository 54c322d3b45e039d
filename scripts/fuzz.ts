import { execFileSync, spawnSync } from "node:child_process";
import { join } from "node:path";

/**
 * Runs every test that tries many cases on a parser or the API, with far more cases than the
 * ordinary run has time for: `npm run fuzz [cases] [file]`, with a default of 100,000 cases and of
 * all files. A failure prints the seed that reproduces it.
 */
const [cases = "100000", ...named] = process.argv.slice(2);
const root = join(import.meta.dirname, "..");
const files = execFileSync("git", ["grep", "--files-with-matches", "FUZZ_CASES", "--", "*.test.ts"], { cwd: root });
const paths = named.length > 0 ? named : files.toString().trim().split("\n");
const timeout = 3_600_000; // ms: one test may take that long
const args = [
  "run",
  "--project",
  "unit",
  "--project",
  "server",
  "--project",
  "product",
  `--testTimeout=${timeout}`,
  ...paths,
];
const { status } = spawnSync("vitest", args, {
  cwd: root,
  stdio: "inherit",
  env: { ...process.env, FUZZ_CASES: cases },
});
process.exitCode = status ?? 1;
