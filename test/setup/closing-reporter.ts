import type { Reporter, TestCase, TestModule } from "vitest/node";

/** Ends a run with what was skipped, by name, and with one plain line of counts. */
export default class ClosingReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[]): void {
    const tests = modules.flatMap((module) => [...module.children.allTests()]);
    const of = (state: ReturnType<TestCase["result"]>["state"]) =>
      tests.filter((test) => test.result().state === state);
    const skipped = of("skipped");
    if (skipped.length > 0) {
      console.log("\nSkipped, because this machine lacks what they need (`npm run engines` brings it):");
      for (const test of skipped) console.log(`  – ${test.module.relativeModuleId}: ${test.fullName}`);
    }
    // A file or group whose set-up or clean-up failed has failed, though each of its tests may have passed.
    const silent = modules.filter((module) => !module.ok() && ![...module.children.allTests("failed")].length).length;
    const broken = silent + errors.length;
    console.log(`\n${of("passed").length} passed, ${of("failed").length + broken} failed, ${skipped.length} skipped`);
  }
}
