import { relative } from "node:path";
import type { Reporter, TestCase, TestModule, TestSuite, Vitest } from "vitest/node";
import { type Proof, readProofs } from "../../scripts/acceptance.ts";

/**
 * Ends a run with the names of the skipped tests and one plain line of counts. If every engine is
 * required (`CI`), the reporter also fails a run in which a test that claims to prove a requirement
 * did not pass.
 */
export default class ClosingReporter implements Reporter {
  #vitest: Vitest | undefined;

  onInit(vitest: Vitest): void {
    this.#vitest = vitest;
  }

  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[]): void {
    const tests = modules.flatMap((module) => [...module.children.allTests()]);
    const inState = (state: ReturnType<TestCase["result"]>["state"]) =>
      tests.filter((test) => test.result().state === state);
    const skipped = inState("skipped");
    if (skipped.length > 0) {
      console.log("\nSkipped, because a test service is missing (`npm run test-services` installs them):");
      for (const test of skipped) console.log(`  – ${test.module.relativeModuleId}: ${test.fullName}`);
    }
    if (process.env["CI"] && !this.#vitest?.config.testNamePattern) this.#checkProofs(modules);
    // A file or group with a failed set-up or clean-up has failed, even if each of its tests
    // passed.
    const silent = modules.filter((module) => !module.ok() && ![...module.children.allTests("failed")].length).length;
    const broken = silent + errors.length;
    console.log(
      `\n${inState("passed").length} passed, ${inState("failed").length + broken} failed, ${skipped.length} skipped`,
    );
  }

  /** Checks only the files of this run, so that a single file can run alone. */
  #checkProofs(modules: readonly TestModule[]): void {
    const unproved = [...readProofs()].flatMap(([id, proofs]) =>
      proofs.filter((proof) => isUnproved(proof, modules)).map(({ file, test }) => `${id}: ${file}: ${test}`),
    );
    if (unproved.length === 0) return;
    console.error("\nThese tests prove a requirement and did not pass:");
    for (const line of unproved) console.error(`  ✗ ${line}`);
    process.exitCode = 1;
  }
}

function isUnproved({ file, test }: Proof, modules: readonly TestModule[]): boolean {
  const isPart = file.startsWith("test/conformance/") && !file.endsWith(".test.ts");
  const own = modules.filter(({ moduleId }) =>
    isPart ? moduleId.includes("/test/conformance/") : relative(process.cwd(), moduleId) === file,
  );
  // A part that only some backends run is proved by any of them.
  if (own.length === 0 || (isPart && !own.some((module) => module.moduleId.endsWith("/local.test.ts")))) return false;
  const pattern = toPattern(test);
  const named = own.flatMap((module) => [
    ...[...module.children.allTests()].filter(({ name }) => pattern.test(name)),
    ...[...module.children.allSuites()].filter(({ name }) => pattern.test(name)),
  ]);
  return !named.some((one) => hasPassed(one)) || named.some((one) => hasFailed(one));
}

const isTest = (one: TestCase | TestSuite): one is TestCase => one.type === "test";
const hasPassed = (one: TestCase | TestSuite): boolean =>
  isTest(one) ? one.result().state === "passed" : [...one.children.allTests("passed")].length > 0;
const hasFailed = (one: TestCase | TestSuite): boolean =>
  isTest(one) ? one.result().state === "failed" : [...one.children.allTests("failed")].length > 0;

/** Converts a title from the source to a pattern that accepts any value of a table or template. */
function toPattern(title: string): RegExp {
  const parts = title.split(/\$\{[^}]*\}|\$\w+|%[sdifjoO#$]/);
  return new RegExp(
    `^${parts.map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`)).join(".*")}$`,
    "s",
  );
}
