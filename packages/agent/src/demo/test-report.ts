export interface TestReport {
  readonly passed: number;
  readonly failed: number;
  readonly failures: readonly { name: string; error: string }[];
}

const parseCount = (output: string, what: string): number | undefined => {
  const digits = new RegExp(`^# ${what} (\\d+)$`, "m").exec(output)?.[1];
  return digits === undefined ? undefined : Number(digits);
};

const unquote = (text: string): string =>
  text
    .trim()
    .replace(/^(['"])(.*)\1$/, "$2")
    .replaceAll("\\n", " ");

/**
 * Reads the message of a failure from the YAML below its line, on the line of its key or indented
 * below.
 */
function parseError(block: string): string {
  const [, inline = "", indented = ""] = /^\s*error: (.*)\n((?: {4,}.*\n)*)/m.exec(block) ?? [];
  if (!/^[|>]-?$/.test(inline)) return unquote(inline);
  return indented
    .split("\n")
    .map((line) => line.trim())
    .filter(Boolean)
    .join(" ");
}

/**
 * Parses `node --test` output in the Test Anything Protocol; returns undefined if the final counts
 * are missing.
 */
export function parseTestReport(output: string): TestReport | undefined {
  const passed = parseCount(output, "pass");
  const failed = parseCount(output, "fail");
  if (passed === undefined || failed === undefined) return undefined;
  const failures = [...output.matchAll(/^\s*not ok \d+ - (.*)\n((?:\s+.*\n)*)/gm)].map(([, name = "", block = ""]) => ({
    name: name.trim(),
    error: parseError(block),
  }));
  return { passed, failed, failures };
}
