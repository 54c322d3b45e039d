import type { Actor } from "./actor.ts";
import type { Notebook } from "./notebook.ts";
import { sampleChange, sampleFix, sampleRegressionTest } from "./sample.ts";
import { parseTestReport, type TestReport } from "./test-report.ts";

const TEST_COMMAND = "node --test --test-reporter=tap";

async function runTests(actor: Actor): Promise<TestReport | undefined> {
  const { output } = await actor.command(TEST_COMMAND);
  const report = parseTestReport(output);
  if (!report)
    await actor.say(`\`${TEST_COMMAND}\` did not say how many tests passed, so I stop here rather than guess.`);
  return report;
}

const summary = ({ passed, failed }: TestReport): string => `${passed} passed, ${failed} failed`;

/** The first turn on the sample repository: find the failing test, mend what it shows, and see that it passes. */
export async function mendSample(actor: Actor): Promise<string> {
  await actor.plan("Look at the repository", "Run the tests", "Mend what fails", "Run the tests again");
  await actor.think("I look at which files there are and read the code and its tests before I run anything.");
  await actor.use("list_files", {});
  const source = await actor.use("read_file", { path: sampleFix.path });
  await actor.use("read_file", { path: "test/duration.test.js" });
  await actor.nextStep();

  const before = await runTests(actor);
  if (!before) return "the tests could not be read";
  if (before.failed === 0) {
    await actor.say(`All ${before.passed} tests pass already, so there is nothing for me to mend.`);
    return "found all tests passing and changed nothing";
  }
  await actor.nextStep();
  const [failure] = before.failures;
  await actor.say(`The tests say: ${summary(before)}. It is "${failure?.name}" that fails: ${failure?.error}`);
  if (!source.text.includes(sampleFix.search)) {
    await actor.say(
      "That is not the bug my script knows how to mend, and I cannot think of another way. I change nothing.",
    );
    return "found a failing test that the script does not know";
  }
  await actor.think(
    "The pattern tries `m` before `ms`, so 250ms is read as 250 minutes. The longer unit has to come first.",
  );

  const edit = await actor.use("edit_file", { ...sampleFix });
  if (edit.failed) {
    await actor.say(`The edit was not made: ${edit.text}`);
    return "found the bug; the edit was not made";
  }
  await actor.nextStep();
  const after = await runTests(actor);
  if (!after) return "mended the parser; the tests could not be read afterwards";
  if (after.failed > 0) {
    await actor.say(
      `After the edit the tests say: ${summary(after)}. Something else is wrong that my script does not know.`,
    );
    return "mended the parser; tests still fail";
  }
  await actor.nextStep();
  await actor.say(
    `Done. In \`${sampleFix.path}\` the pattern now tries \`ms\` before \`m\`: it read "250ms" as 250 minutes. Before: ${summary(before)}. After: ${summary(after)}.`,
  );
  return `mended ${sampleFix.path} so that "250ms" is read as milliseconds`;
}

async function addRegressionTest(actor: Actor, tests: string): Promise<string> {
  await actor.plan("Add a regression test", "Run the tests");
  const written = await actor.use("write_file", {
    path: sampleRegressionTest.path,
    content: tests + sampleRegressionTest.text,
  });
  if (written.failed) {
    await actor.say(`The test was not added: ${written.text}`);
    return "wanted to add a regression test; it was not written";
  }
  await actor.nextStep();
  const report = await runTests(actor);
  await actor.nextStep();
  if (report)
    await actor.say(
      `I added the test "${sampleRegressionTest.name}", so that the bug cannot come back unseen. The tests say: ${summary(report)}.`,
    );
  return `added the test "${sampleRegressionTest.name}"`;
}

async function addChange(actor: Actor, changes: string | undefined): Promise<string> {
  await actor.plan("Note the change in the changelog");
  const content = `${changes ?? `${sampleChange.title}\n`}${sampleChange.line}`;
  const written = await actor.use("write_file", { path: sampleChange.path, content });
  await actor.nextStep();
  await actor.say(
    written.failed
      ? `The changelog was not written: ${written.text}`
      : `I noted the change in \`${sampleChange.path}\`.`,
  );
  return `noted the change in ${sampleChange.path}`;
}

/** A later turn: says what it remembers and does the next useful thing the script knows. */
export async function continueSample(actor: Actor, notebook: Notebook): Promise<string> {
  const { workspace } = actor.session;
  const tests = (await workspace.readIfThere(sampleRegressionTest.path)) ?? "";
  if (!notebook.notes.some(({ did }) => did.startsWith("mended"))) return mendSample(actor);
  if (!tests.includes(sampleRegressionTest.name)) return addRegressionTest(actor, tests);
  const changes = await workspace.readIfThere(sampleChange.path);
  if (!changes?.includes(sampleChange.line)) return addChange(actor, changes);
  const report = await runTests(actor);
  if (report)
    await actor.say(`My script is at its end: the bug is mended, tested and noted. The tests say: ${summary(report)}.`);
  return "ran the tests and changed nothing";
}
