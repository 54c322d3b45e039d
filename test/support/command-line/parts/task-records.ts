import { expect, test } from "vitest";
import type { CommandLineHarness } from "../command-line-harness.ts";

/** What people do with tasks besides running them. */
export function testTaskRecords({ getExitCode, repository, run, server }: CommandLineHarness): void {
  test("of the archive of tasks", async () => {
    const { id, title } = await server.createTask({ repository_url: repository, title: "put away" });
    const isListed = async (...words: string[]) => (await run("task ls", words)).out.includes(title);
    expect([await isListed(), await isListed("--archived")]).toEqual([true, false]);
    expect(await getExitCode("task archive", [id])).toBe(0);
    expect([await isListed(), await isListed("--archived")]).toEqual([false, true]);
    expect(await run("task prompt", [id])).toMatchObject({ code: 2, err: expect.stringContaining("task restore") });
    expect(await getExitCode("task restore", [id])).toBe(0);
    expect([await isListed(), await isListed("--archived")]).toEqual([true, false]);
    expect(await run("task ls", ["--archived"])).toMatchObject({ code: 0, err: "There are no archived tasks.\n" });
    expect(await getExitCode("task rm", [id])).toBe(0);
  });
}
