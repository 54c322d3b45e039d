import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { SampleRepository } from "./sample-repository.ts";
import { runSampleTests } from "./sample-tests.ts";

test("creates a repository with one failing test, which running the tests reveals", async () => {
  const folder = await mkdtemp(join(tmpdir(), "wharf-sample-"));
  try {
    const sample = new SampleRepository(join(folder, "repo"));
    await sample.create();
    expect(await runSampleTests(sample.folder, AbortSignal.timeout(20_000))).toEqual({
      passed: 4,
      failed: 1,
      failures: ["reads milliseconds"],
    });
    expect(await sample.getBranch("shadow/none")).toBeUndefined();

    const main = await sample.getBranch("main");
    expect(main?.sha).toMatch(/^[0-9a-f]{40}$/);
    await writeFile(join(sample.folder, "test/duration.test.js"), "");
    const copy = await sample.checkOut(main!);
    expect(
      (await runSampleTests(copy.folder, AbortSignal.timeout(20_000))).failed,
      "the branch is looked at, not the working tree",
    ).toBe(1);
    await copy[Symbol.asyncDispose]();
  } finally {
    await rm(folder, { recursive: true });
  }
});
