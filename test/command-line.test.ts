import { stripVTControlCharacters } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { listCommands } from "../packages/cli/src/testing.ts";
import { CommandLineHarness, failed } from "./support/command-line/command-line-harness.ts";
import { testAgentTypes } from "./support/command-line/parts/agent-types.ts";
import { testPeople } from "./support/command-line/parts/people.ts";
import { testResources } from "./support/command-line/parts/resources.ts";
import { testRunners } from "./support/command-line/parts/runners.ts";
import { testTaskRecords } from "./support/command-line/parts/task-records.ts";
import { testTasks } from "./support/command-line/parts/tasks.ts";
import { testWorkspaces } from "./support/command-line/parts/workspaces.ts";
import { launcher } from "./support/server-harness.ts";

/** Runs every command of the command line against a server and checks its exit codes. */
const commandLine = new CommandLineHarness();

beforeAll(() => commandLine.server.start());
afterAll(() => commandLine[Symbol.asyncDispose]());

/** Returns what a person sees of a command in a terminal of `columns` columns. */
async function seen(columns: number, ...words: string[]): Promise<string[]> {
  const { spawn: spawnPty } = await import("@lydell/node-pty");
  const pty = spawnPty(process.execPath, [launcher, ...words], {
    env: commandLine.server.environment,
    cols: columns,
    rows: 24,
  });
  let shown = "";
  pty.onData((piece) => (shown += piece));
  await new Promise((resolve) => pty.onExit(resolve));
  return stripVTControlCharacters(shown).trimEnd().split(/\r?\n/);
}

test("tables fit the terminal, and are complete with --wide and for programs", async () => {
  const longest = (lines: readonly string[]) => Math.max(...lines.map((line) => line.length));
  const narrow = await seen(60, "agent-types");
  expect(longest(narrow)).toBe(60);
  expect(narrow.some((line) => line.endsWith("…"))).toBe(true);
  const wide = await seen(60, "agent-types", "--wide");
  const piped = await commandLine.server.cli("agent-types");
  expect(wide.map((line) => line.trimEnd())).toEqual(piped.stdout.trimEnd().split("\n"));
  expect(longest(wide)).toBeGreaterThan(60);
  expect(piped.stdout).not.toContain("…");
});

describe("exit codes", () => {
  testTasks(commandLine);
  testTaskRecords(commandLine);
  testResources(commandLine);
  testPeople(commandLine);
  testRunners(commandLine);
  testWorkspaces(commandLine);
  testAgentTypes(commandLine);

  test("of commands that need no server", async () => {
    const { getExitCode } = commandLine;
    expect(await getExitCode("config show")).toBe(0);
    for (const shell of ["bash", "zsh", "fish"]) expect(await getExitCode(`completion ${shell}`)).toBe(0);
    expect(await getExitCode("doctor")).toBe(0);
    expect(await getExitCode("up")).toEqual(failed);
    expect(await getExitCode("down")).toBe(0);
    expect(await getExitCode("down")).toBe(0);
    expect(await getExitCode("task ls")).toEqual(failed);
  });

  test("are tested for every command except the demonstration, which has its own test", () => {
    const listing = ["agent-types", "budget", "queue", "limit"];
    const commands = listCommands().filter(([path, { commands }]) => commands.length === 0 || listing.includes(path));
    expect([...commandLine.covered, "demo"].toSorted()).toEqual(commands.map(([path]) => path).toSorted());
  });
});
