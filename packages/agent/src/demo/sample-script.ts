import type { Actor } from "./actor.ts";
import type { Notebook } from "./notebook.ts";
import { sampleChange, sampleFix, sampleRegressionTest } from "./sample.ts";
import { parseTestReport, type TestReport } from "./test-report.ts";

const testCommand = "node --test --test-reporter=tap";

async function runTests(actor: Actor): Promise<TestReport | undefined> {
  const { output } = await actor.runCommand(testCommand);
  const report = parseTestReport(output);
  if (!report) await actor.sendMessage(`\`${testCommand}\` did not report how many tests passed, so I stop here.`);
  return report;
}

const formatSummary = ({ passed, failed }: TestReport): string => `${passed} passed, ${failed} failed`;

/**
 * Performs the first turn on the sample repository: finds the failing test, fixes its cause, and
 * verifies that the test passes.
 */
export async function fixSample(actor: Actor): Promise<string> {
  await actor.startPlan("Read the code", "Run the tests", "Fix the bug", "Run the tests again");
  await actor.sendThought("First I list the files, then I read the code and its tests.");
  await actor.useTool("list_files", {});
  const source = await actor.useTool("read_file", { path: sampleFix.path });
  await actor.useTool("read_file", { path: "test/duration.test.js" });
  await actor.advancePlan();

  const initialReport = await runTests(actor);
  if (!initialReport) return "could not read the result of the tests";
  if (initialReport.failed === 0) {
    await actor.sendMessage(`All ${initialReport.passed} tests already pass, so there is nothing to fix.`);
    return "found that all tests pass and changed nothing";
  }
  await actor.advancePlan();
  const [failure] = initialReport.failures;
  await actor.sendMessage(
    `Test result: ${formatSummary(initialReport)}. The test "${failure?.name}" fails: ${failure?.error}`,
  );
  if (!source.text.includes(sampleFix.search)) {
    await actor.sendMessage("My script cannot fix this bug, so I change nothing.");
    return "found a failing test that the script does not know";
  }
  await actor.sendThought(
    "The pattern tries `m` before `ms`, so 250ms is read as 250 minutes. The longer unit has to come first.",
  );

  const edit = await actor.useTool("edit_file", { ...sampleFix });
  if (edit.failed) {
    await actor.sendMessage(`The edit failed: ${edit.text}`);
    return "found the bug but could not edit the file";
  }
  await actor.advancePlan();
  const finalReport = await runTests(actor);
  if (!finalReport) return "fixed the parser but could not read the result of the tests";
  if (finalReport.failed > 0) {
    await actor.sendMessage(
      `Test result after the edit: ${formatSummary(finalReport)}. My script does not know the other failure.`,
    );
    return "fixed the parser, but tests still fail";
  }
  await actor.advancePlan();
  await actor.sendMessage(
    `Done. In \`${sampleFix.path}\` the pattern now tries \`ms\` before \`m\`: it read "250ms" as 250 minutes. Before: ${formatSummary(initialReport)}. After: ${formatSummary(finalReport)}.`,
  );
  return `fixed ${sampleFix.path} so that it reads "250ms" as milliseconds`;
}

async function addRegressionTest(actor: Actor, tests: string): Promise<string> {
  await actor.startPlan("Add a regression test", "Run the tests");
  const outcome = await actor.useTool("write_file", {
    path: sampleRegressionTest.path,
    content: tests + sampleRegressionTest.text,
  });
  if (outcome.failed) {
    await actor.sendMessage(`The test was not added: ${outcome.text}`);
    return "could not add a regression test";
  }
  await actor.advancePlan();
  const report = await runTests(actor);
  await actor.advancePlan();
  if (report)
    await actor.sendMessage(
      `I added the test "${sampleRegressionTest.name}", which detects the bug if it returns. Test result: ${formatSummary(report)}.`,
    );
  return `added the test "${sampleRegressionTest.name}"`;
}

async function addChange(actor: Actor, changes: string | undefined): Promise<string> {
  await actor.startPlan("Add the change to the changelog");
  const content = `${changes ?? `${sampleChange.title}\n`}${sampleChange.line}`;
  const outcome = await actor.useTool("write_file", { path: sampleChange.path, content });
  await actor.advancePlan();
  await actor.sendMessage(
    outcome.failed
      ? `The changelog was not written: ${outcome.text}`
      : `I added the change to \`${sampleChange.path}\`.`,
  );
  return `added the change to ${sampleChange.path}`;
}

/**
 * Performs a later turn: describes what the notebook remembers and does the next useful thing the
 * script knows.
 */
export async function continueSample(actor: Actor, notebook: Notebook): Promise<string> {
  const { workspace } = actor.session;
  const tests = (await workspace.readIfExists(sampleRegressionTest.path)) ?? "";
  if (!notebook.notes.some(({ did }) => did.startsWith("fixed"))) return fixSample(actor);
  if (!tests.includes(sampleRegressionTest.name)) return addRegressionTest(actor, tests);
  const changes = await workspace.readIfExists(sampleChange.path);
  if (!changes?.includes(sampleChange.line)) return addChange(actor, changes);
  const report = await runTests(actor);
  if (report)
    await actor.sendMessage(
      `My script is complete: the bug is fixed, tested and documented. Test result: ${formatSummary(report)}.`,
    );
  return "ran the tests and changed nothing";
}
