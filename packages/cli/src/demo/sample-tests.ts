import { execFile } from "node:child_process";

export interface TestReport {
  readonly passed: number;
  readonly failed: number;
  /** Lists the names of the failed tests. */
  readonly failures: readonly string[];
}

const testTimeoutMs = 60_000;

/** Runs the sample's tests in a folder, as a user would. */
export function runSampleTests(folder: string, signal: AbortSignal): Promise<TestReport> {
  return new Promise((resolve, reject) => {
    const options = { cwd: folder, env: { PATH: process.env.PATH }, signal, timeout: testTimeoutMs };
    execFile(process.execPath, ["--test", "--test-reporter=tap"], options, (error, stdout) => {
      const report = parseReport(stdout);
      if (signal.aborted) reject(signal.reason);
      else if (report) resolve(report);
      else reject(new Error(`the sample's tests did not run: ${error?.message ?? "no report"}`));
    });
  });
}

function parseReport(tap: string): TestReport | undefined {
  const passed = /^# pass (\d+)$/m.exec(tap)?.[1];
  const failed = /^# fail (\d+)$/m.exec(tap)?.[1];
  if (passed === undefined || failed === undefined) return undefined;
  const failures = [...tap.matchAll(/^\s*not ok \d+ - (.+)$/gm)]
    .map(([, name = ""]) => name)
    .filter((name) => !name.endsWith(".js"));
  return { passed: Number(passed), failed: Number(failed), failures };
}

export const formatReport = ({ passed, failed }: TestReport): string => `${passed} passed, ${failed} failed`;
