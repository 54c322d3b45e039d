import { expect, test } from "vitest";
import { type CommandLineHarness, failed, parseOutput } from "../command-line-harness.ts";

/** Usage, the queue, limits and budgets. */
export function testResources({ getExitCode, run }: CommandLineHarness): void {
  test("of the usage of models and runners", async () => {
    expect(await run("usage")).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^No requests to models since \d{4}-\d\d-\d\d \d\d:00 UTC\.\n$/),
    });
    expect(await run("usage", ["--csv", "--json"])).toMatchObject({ code: 2, out: "" });
    const noRunners = { code: 0, out: "No runner has run from 2025-12-02 00:00 to 2026-01-01 00:00 UTC.\n" };
    expect(await run("usage", ["--resources", "--to", "2026-01-01"])).toMatchObject(noRunners);
    expect(await run("usage", ["--resources"])).toMatchObject({
      code: 0,
      out: expect.stringMatching(/total\nThis is the usage since .* UTC\.\n$/),
    });
    expect(await run("usage", ["--resources", "--model", "x"])).toMatchObject({ code: 2, out: "" });
    expect(await run("usage", ["--resources", "--by", "turn"])).toMatchObject({ code: 2, out: "" });
    expect(await run("usage", ["--by", "runner"])).toMatchObject({ code: 2, out: "" });
    const noHosts = { code: 0, out: "No connections to hosts of an allow-list.\n" };
    expect(await run("usage", ["--hosts"])).toMatchObject(noHosts);
    expect(await run("usage", ["--hosts", "--from", "2026-01-01"])).toMatchObject({ code: 2, out: "" });
    expect(await run("usage", ["--hosts", "--resources"])).toMatchObject({ code: 2, out: "" });
  });

  test("of the queue and of limits", async () => {
    expect(await run("queue")).toMatchObject({ code: 0, err: expect.stringMatching(/slots\.\nNo tasks wait/) });
    expect(parseOutput(await run("queue pause", ["--reason", "maintenance", "--json"]))).toMatchObject({
      status: "paused",
    });
    expect((await run("queue")).err).toContain("The queue is paused: maintenance");
    expect(await getExitCode("queue resume")).toBe(0);
    expect(await run("limit")).toMatchObject({ code: 0, out: expect.stringMatching(/^No limits/) });
    expect(await run("limit set", ["5"])).toMatchObject({ code: 2, out: "" });
    expect(await run("limit set", ["--organization", "-1"])).toMatchObject({ code: 2, out: "" });
    const { id } = parseOutput(await run("limit set", ["--organization", "1000", "--json"]));
    expect((await run("limit")).out).toMatch(/organization +Home +0 +1000/);
    expect(await getExitCode("limit rm", [id])).toBe(0);
    expect(await getExitCode("limit rm", [id])).toEqual(failed);
  });

  test("of budgets", async () => {
    const set = parseOutput(await run("budget set", ["--organization", "1000", "--period", "month", "--json"]));
    expect((await run("budget")).out).toMatch(/month.*\$1,000\.00/);
    expect(await getExitCode("budget rm", [set.id])).toBe(0);
    expect(await run("budget set", ["5"])).toMatchObject({ code: 2, out: "" });
    expect(await run("budget set", ["--organization", "1e9"])).toMatchObject({ code: 2, out: "" });
    const { id } = parseOutput(await run("budget set", ["--organization", "1000", "--period", "day", "--json"]));
    expect(await getExitCode("budget rm", [id])).toBe(0);
    expect(await getExitCode("budget rm", [id])).toEqual(failed);
  });
}
