import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type CommandLineHarness, failed, parseOutput } from "../command-line-harness.ts";

/** Runners that a person creates. */
export function testRunners({ folder, getExitCode, interrupt, run }: CommandLineHarness): void {
  test("of runners: the command's own, 124 for a timeout, 130 for Ctrl-C", async () => {
    const created = await run("runner create", ["--json"]);
    const { id } = parseOutput(created);
    expect(created.code).toBe(0);
    for (const path of ["ls", "get", "logs"].map((name) => `runner ${name}`))
      expect(await getExitCode(path, path === "runner ls" ? [] : [id])).toBe(0);
    expect((await run("runner exec", [id, "exit 42"])).code).toBe(42);
    expect((await run("runner exec", ["--timeout", "0.5", id, "sleep", "60"])).code).toBe(124);
    expect((await run("runner attach", [id, "exit 7"])).code).toBe(7);
    writeFileSync(join(folder, "copied.md"), "copied");
    expect(await getExitCode("runner cp", [join(folder, "copied.md"), `${id}:x`])).toBe(0);
    expect(await getExitCode("runner cp", [`${id}:none`, folder])).toEqual(failed);
    expect((await interrupt("runner exec", [id, "echo begun; sleep 60"])).code).toBe(130);
    expect(await getExitCode("runner stop", [id])).toBe(0);
    expect(await getExitCode("runner start", [id])).toBe(0);
    expect(await getExitCode("runner rm", [id])).toBe(0);
    expect(await getExitCode("runner get", ["ffffffff"])).toEqual(failed);
  });
}
