import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Argument } from "commander";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createCommandTree, listCommands, runCommandLine } from "../testing.ts";
import { badValues } from "./fixtures/bad-values.ts";
import { separateProgramWords } from "./program-words.ts";

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "wharf-cli-"));
});
afterAll(() => rm(folder, { recursive: true }));

const typed = (...line: string[]) => runCommandLine(line, { folder });

const id = "0b0e1f9c-5c3e-4a39-9d0e-3f8f7f6f5e4d";
/** These values stand in for a command's arguments, by name. */
const goodArguments: Readonly<Record<string, string>> = { command: "true", text: "hello", amount: "5", role: "admin" };

const valueOptions = listCommands().flatMap(([path, command]) =>
  command.options.filter(({ required }) => required).map((option) => [path, option.long ?? ""] as const),
);

function goodLine(path: string, isNeeded: (argument: Argument) => boolean = ({ required }) => required): string[] {
  const all = new Map(listCommands()).get(path)?.registeredArguments ?? [];
  return all.filter(isNeeded).map((argument) => goodArguments[argument.name()] ?? id);
}

describe("a bad value", () => {
  test("is in the table for every option of every command", () => {
    const inTable = Object.entries(badValues).flatMap(([path, options]) => Object.keys(options).map((o) => [path, o]));
    expect(inTable.map(String).toSorted()).toEqual(valueOptions.map(String).toSorted());
  });

  const bad = Object.entries(badValues).flatMap(([path, options]) =>
    Object.entries(options).flatMap(([flag, entry]) =>
      typeof entry === "symbol" ? [] : [[path, flag, ...entry] as const],
    ),
  );
  test.each(bad)("of `%s %s` is refused with the accepted form", async (path, flag, value, form) => {
    const line = [...path.split(" "), `${flag}=${value}`, ...goodLine(path)];
    const { code, out, err } = await typed(...line);
    const shown = value.length > 60 ? `${value.slice(0, 59)}…` : value;
    expect({ code, out }).toEqual({ code: 2, out: "" });
    expect(err).toMatch(/^✗ /);
    expect(err).toContain(`${flag}: expected ${form}`);
    expect(err).toContain(`, got '${shown}'`);
    expect(err).not.toMatch(/\bbug\b/);
  });

  test.each(bad)("of `%s %s` is JSON for programs", async (path, flag, value, form) => {
    const { code, err } = await typed(...path.split(" "), "--json", `${flag}=${value}`, ...goodLine(path));
    expect(code).toBe(2);
    expect(JSON.parse(err)).toMatchObject({
      code: "usage_invalid",
      detail: expect.stringContaining(`${flag}: expected ${form}`),
      next: expect.stringContaining("--help"),
    });
  });

  const idCommands = listCommands().flatMap(([path, command]) =>
    command.registeredArguments
      .map((argument, i) => [path, argument.name(), i] as const)
      .filter(([, name]) => ["task", "runner", "runners"].includes(name)),
  );
  test.each(idCommands)("of `%s <%s>` is refused with the accepted form", async (path, name, i) => {
    const { code, err } = await typed(...path.split(" "), ...goodLine(path, () => true).with(i, "../x"));
    expect({ code, err }).toMatchObject({
      code: 2,
      err: expect.stringContaining(`<${name}>: expected an id, or its first 8 or more characters, got '../x'`),
    });
  });

  test.each([
    [["task", "ls", "--url", "elsewhere:1"], "--url: expected an http or https address, got 'elsewhere:1'"],
    [["runner", "create", "--cpus", "1"], "--cpus, --memory and --disk"],
    [["runner", "exec", id], "--file"],
    [["runner", "rm"], "--all"],
  ])("is refused with an explanation: %j", async (line, words) => {
    expect(await typed(...line)).toMatchObject({ code: 2, out: "", err: expect.stringContaining(words) });
  });
});

describe("a command line that commander refuses", () => {
  const groups = listCommands().filter(([, command]) => command.commands.length > 0);
  const incomplete = listCommands().filter(([, command]) =>
    command.registeredArguments.some(({ required }) => required),
  );
  const refused: [string[], string][] = [
    [["nonsense"], "unknown command 'nonsense'"],
    ...listCommands().map(([path]): [string[], string] => [
      [...path.split(" "), "--wrong"],
      "unknown option '--wrong'",
    ]),
    ...valueOptions.map(([path, flag]): [string[], string] => [[...path.split(" "), flag], "argument missing"]),
    ...incomplete.map(([path]): [string[], string] => [path.split(" "), "missing required argument"]),
  ];

  test.each(refused)("is reported to people and to programs: %j", async (line, words) => {
    const { code, out, err } = await typed(...line);
    expect({ code, out }).toEqual({ code: 2, out: "" });
    expect(err).toContain(words);
    expect(err).toContain("→ Add --help");
    // The bad words also come before an option that waits for its value.
    const told = await typed("--json", ...line);
    expect(told).toMatchObject({ code: 2, out: "" });
    expect(JSON.parse(told.err)).toMatchObject({ code: "usage_invalid", detail: expect.stringContaining(words) });
  });

  const lists = ["agent-types", "budget", "queue", "limit"];
  test.each(groups.filter(([path]) => !lists.includes(path)))(
    "shows the help of `%s`, or lists its commands to programs",
    async (path, group) => {
      const names = group.commands.map((command) => command.name());
      const { code, out, err } = await typed(...path.split(" "));
      expect({ code, out }).toEqual({ code: 2, out: "" });
      for (const name of names) expect(err).toContain(name);
      expect(err).toContain(`Usage: wharf ${path}`);
      const told = JSON.parse((await typed(...path.split(" "), "--json")).err);
      expect(told.detail).toBe(`name a command of \`wharf ${path} …\`: ${names.join(", ")}`);
    },
  );
});

describe("words of another program", () => {
  const separated = (...line: string[]) => separateProgramWords(createCommandTree(), line).join(" ");

  test.each([
    ["runner exec R node --version", "runner exec R -- node --version"],
    ["runner exec R npm ls --json", "runner exec R -- npm ls --json"],
    ["runner exec -w src -t 5 R npm ls --json", "runner exec -w src -t 5 R -- npm ls --json"],
    ["runner exec R -w src --env A=b npm --url x", "runner exec R -w src --env A=b -- npm --url x"],
    ["runner exec R -wsrc ls -l", "runner exec R -wsrc -- ls -l"],
    ["runner exec R --workdir=src ls -l", "runner exec R --workdir=src -- ls -l"],
    ["--url http://h:1 runner execute R ls -- -l", "--url http://h:1 runner execute R -- ls -- -l"],
    ["runners attach --terminal T R bash --login", "runners attach --terminal T R -- bash --login"],
    ["agent-types add mine --env A=b agent --json", "agent-types add mine --env A=b -- agent --json"],
    ["agent-types add mine --json -- agent --acp", "agent-types add mine --json -- agent --acp"],
    ["agent-types set mine --route openai agent --env A", "agent-types set mine --route openai -- agent --env A"],
    ["runner exec R -f script --json", "runner exec R -f script --json"],
    ["task ls --json", "task ls --json"],
    ["run exec --json", "run exec --json"],
  ])("are separated from Wharf's: %s", (line, expected) => {
    expect(separated(...line.split(" "))).toBe(expected);
  });

  test("are not options of Wharf, with and without --", async () => {
    for (const line of [
      ["node", "--version", "--json"],
      ["--", "node", "--version", "--json"],
    ]) {
      const { code, out, err } = await typed("runner", "exec", id, ...line);
      expect({ code, out }).toEqual({ code: 2, out: "" });
      expect(err).toMatch(/^✗ No Wharf server answers/);
    }
  });
});
