import type { Actor } from "./actor.ts";
import type { Notebook } from "./notebook.ts";
import { sampleChange, sampleFix, sampleRegressionTest } from "./sample.ts";
import { parseTestReport, type TestReport } from "./test-report.ts";

const testCommand = "node --test --test-reporter=tap";

async function runTests(actor: Actor): Promise<TestReport | undefined> {
  const { output } = await actor.runCommand(testCommand);
  const report = parseTestReport(output);
  if (!report)
    await actor.sendMessage(`\`${testCommand}\` did not say how many tests passed, so I stop here rather than guess.`);
  return report;
}

const formatSummary = ({ passed, failed }: TestReport): string => `${passed} passed, ${failed} failed`;

/**
 * Performs the first turn on the sample repository: finds the failing test, fixes its cause, and
 * verifies that the test passes.
 */
export async function fixSample(actor: Actor): Promise<string> {
  await actor.startPlan("Look at the repository", "Run the tests", "Mend what fails", "Run the tests again");
  await actor.sendThought("I look at which files there are and read the code and its tests before I run anything.");
  await actor.useTool("list_files", {});
  const source = await actor.useTool("read_file", { path: sampleFix.path });
  await actor.useTool("read_file", { path: "test/duration.test.js" });
  await actor.advancePlan();

  const initialReport = await runTests(actor);
  if (!initialReport) return "the tests could not be read";
  if (initialReport.failed === 0) {
    await actor.sendMessage(`All ${initialReport.passed} tests pass already, so there is nothing for me to mend.`);
    return "found all tests passing and changed nothing";
  }
  await actor.advancePlan();
  const [failure] = initialReport.failures;
  await actor.sendMessage(
    `The tests say: ${formatSummary(initialReport)}. It is "${failure?.name}" that fails: ${failure?.error}`,
  );
  if (!source.text.includes(sampleFix.search)) {
    await actor.sendMessage(
      "That is not the bug my script knows how to mend, and I cannot think of another way. I change nothing.",
    );
    return "found a failing test that the script does not know";
  }
  await actor.sendThought(
    "The pattern tries `m` before `ms`, so 250ms is read as 250 minutes. The longer unit has to come first.",
  );

  const edit = await actor.useTool("edit_file", { ...sampleFix });
  if (edit.failed) {
    await actor.sendMessage(`The edit was not made: ${edit.text}`);
    return "found the bug; the edit was not made";
  }
  await actor.advancePlan();
  const finalReport = await runTests(actor);
  if (!finalReport) return "mended the parser; the tests could not be read afterwards";
  if (finalReport.failed > 0) {
    await actor.sendMessage(
      `After the edit the tests say: ${formatSummary(finalReport)}. Something else is wrong that my script does not know.`,
    );
    return "mended the parser; tests still fail";
  }
  await actor.advancePlan();
  await actor.sendMessage(
    `Done. In \`${sampleFix.path}\` the pattern now tries \`ms\` before \`m\`: it read "250ms" as 250 minutes. Before: ${formatSummary(initialReport)}. After: ${formatSummary(finalReport)}.`,
  );
  return `mended ${sampleFix.path} so that "250ms" is read as milliseconds`;
}

async function addRegressionTest(actor: Actor, tests: string): Promise<string> {
  await actor.startPlan("Add a regression test", "Run the tests");
  const outcome = await actor.useTool("write_file", {
    path: sampleRegressionTest.path,
    content: tests + sampleRegressionTest.text,
  });
  if (outcome.failed) {
    await actor.sendMessage(`The test was not added: ${outcome.text}`);
    return "wanted to add a regression test; it was not written";
  }
  await actor.advancePlan();
  const report = await runTests(actor);
  await actor.advancePlan();
  if (report)
    await actor.sendMessage(
      `I added the test "${sampleRegressionTest.name}", so that the bug cannot come back unseen. The tests say: ${formatSummary(report)}.`,
    );
  return `added the test "${sampleRegressionTest.name}"`;
}

async function addChange(actor: Actor, changes: string | undefined): Promise<string> {
  await actor.startPlan("Note the change in the changelog");
  const content = `${changes ?? `${sampleChange.title}\n`}${sampleChange.line}`;
  const outcome = await actor.useTool("write_file", { path: sampleChange.path, content });
  await actor.advancePlan();
  await actor.sendMessage(
    outcome.failed
      ? `The changelog was not written: ${outcome.text}`
      : `I noted the change in \`${sampleChange.path}\`.`,
  );
  return `noted the change in ${sampleChange.path}`;
}

/**
 * Performs a later turn: describes what the notebook remembers and does the next useful thing the
 * script knows.
 */
export async function continueSample(actor: Actor, notebook: Notebook): Promise<string> {
  const { workspace } = actor.session;
  const tests = (await workspace.readIfExists(sampleRegressionTest.path)) ?? "";
  if (!notebook.notes.some(({ did }) => did.startsWith("mended"))) return fixSample(actor);
  if (!tests.includes(sampleRegressionTest.name)) return addRegressionTest(actor, tests);
  const changes = await workspace.readIfExists(sampleChange.path);
  if (!changes?.includes(sampleChange.line)) return addChange(actor, changes);
  const report = await runTests(actor);
  if (report)
    await actor.sendMessage(
      `My script is at its end: the bug is mended, tested and noted. The tests say: ${formatSummary(report)}.`,
    );
  return "ran the tests and changed nothing";
}
