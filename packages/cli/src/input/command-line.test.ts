import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Argument } from "commander";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createCommandTree, listCommands, runCommandLine } from "../testing.ts";
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
const long = "x".repeat(200_001);

/** Free text accepts every value, or only the server can validate it. */
const free = Symbol("free text");
const auditFilters = {
  "--actor": free,
  "--action": free,
  "--target": free,
  "--result": ["fine", "one of "],
  "--from": ["soon", "a date such as 2026-01-31"],
  "--to": ["soon", "a date such as 2026-01-31"],
} as const;
const agentTypeOptions = {
  "--protocol": ["http", "one of acp, json-lines, text"],
  "--env": ["A", "NAME=VALUE"],
  "--home-file": ["config.toml", "PATH=FILE"],
  "--mcp-servers": free,
  "--memory": ["1GiB", "a number from 0.0625 to 4096"],
  "--program": ["./pi", "the name of a program on the PATH"],
  "--route": [long, "at most 100 characters"],
  "--image": [long, "at most 500 characters"],
  "--description": [long, "at most 2000 characters"],
} as const;
const attachOptions = {
  "--terminal": ["12", "a full id (a UUID)"],
  "--shell": ["", "at least 1 character"],
  "--workdir": ["x".repeat(5000), "at most 4096 characters"],
} as const;
const listOptions = { "--limit": ["0", "a whole number from 1 to 1000"] } as const;
const turnOption = { "--turn": ["0", "a turn: its number, counted from 1, its id, or last"] } as const;
/** Each option that takes a value has an invalid one here, with the form that the error names. */
const badValues: Readonly<Record<string, Readonly<Record<string, typeof free | readonly [string, string]>>>> = {
  up: { "--port": ["70000", "a whole number from 0 to 65535"], "--host": ["", "at least 1 character"] },
  run: {
    "--repo": free,
    "--agent": [long, "at most 100 characters"],
    "--branch": ["-x", "a branch name: letters, digits, . _ / -"],
    "--board": free,
    "--policy": ["perhaps", "one of ask, allow-edits, allow-all"],
    "--title": ["", "at least 1 character"],
    "--mode": ["", "at least 1 character"],
    "--model": [long, "at most 1024 characters"],
    "--tier": ["huge", "one of small, medium, large, "],
    "--file": ["no-such-file", "a readable file"],
    "--attach": ["no-such-file", "a file"],
    "--template": ["", "at least 1 character"],
    "--set": ["=x", "NAME=VALUE"],
  },
  "template ls": { ...listOptions, "--sort": ["title", "one of name, "] },
  "template show": { "--board": free },
  "template rm": { "--board": free },
  "template set": {
    "--file": ["no-such-file", "a readable file"],
    "--board": free,
    "--title": ["", "at least 1 character"],
    "--repo": free,
    "--agent": [long, "at most 100 characters"],
    "--branch": ["-x", "a branch name: letters, digits, . _ / -"],
    "--mode": ["", "at least 1 character"],
    "--model": [long, "at most 1024 characters"],
    "--priority": ["high", "a whole number from 0 to 10"],
    "--budget": ["much", "a number from 0 to 1000000000"],
    "--policy": ["never", "one of ask, allow-edits, allow-all"],
  },
  "task create": {
    "--description": free,
    "--file": ["no-such-file", "a readable file"],
    "--repo": free,
    "--agent": [long, "at most 100 characters"],
    "--branch": ["a b", "a branch name: letters, digits, . _ / -"],
    "--board": free,
    "--mode": ["", "at least 1 character"],
    "--model": ["", "at least 1 character"],
    "--tier": ["custom", "one of small, medium, large, "],
    "--priority": ["high", "a whole number from 0 to 10"],
    "--policy": ["never", "one of ask, allow-edits, allow-all"],
    "--depends-on": ["short", "an id, or at least its first 8 characters"],
  },
  "task start": { "--agent": [long, "at most 100 characters"] },
  "task depend": {
    "--on": ["short", "an id, or at least its first 8 characters"],
    "--remove": ["short", "an id, or at least its first 8 characters"],
  },
  "task edit": {
    "--title": ["", "at least 1 character"],
    "--description": free,
    "--file": ["no-such-file", "a readable file"],
    "--repo": free,
    "--agent": [long, "at most 100 characters"],
    "--branch": ["a b", "a branch name: letters, digits, . _ / -"],
    "--tier": ["huge", "one of small, medium, large, "],
    "--priority": ["11", "a whole number from 0 to 10"],
    "--policy": ["never", "one of ask, allow-edits, allow-all"],
    "--if-version": ["0", "a whole number from 1 to 2147483647"],
  },
  "task push": { "--allow-secret": ["abc", "fingerprints of 16 hexadecimal digits, separated by commas"] },
  "task diff": { "--path": free, ...turnOption },
  "task ls": {
    "--board": free,
    "--assignee": ["", "at least 1 character"],
    "--state": ["LOST", "one of TODO, "],
    "--agent": [long, "at most 100 characters"],
    "--repo": free,
    "--text": ["", "at least 1 character"],
    "--sort": ["title", "one of -created_at, "],
    "--limit": ["abc", "a whole number from 1 to 1000"],
  },
  search: {
    "--board": free,
    "--state": ["LOST", "one of TODO, "],
    "--kind": ["file", "one of task, comment, log"],
    "--agent": [long, "at most 100 characters"],
    "--since": ["soon", "a date such as 2026-01-31"],
    "--until": ["soon", "a date such as 2026-01-31"],
    "--limit": ["101", "a whole number from 1 to 100"],
    "--cursor": [long, "at most 500 characters"],
  },
  branches: {
    "--text": [long, "at most 250 characters"],
    "--limit": ["1001", "a whole number from 1 to 1000"],
  },
  usage: {
    "--by": ["year", "one of hour, "],
    "--task": free,
    "--board": ["first", "a full id (a UUID)"],
    "--user": ["me", "a full id (a UUID)"],
    "--run": ["last", "a full id (a UUID)"],
    "--agent": [long, "at most 200 characters"],
    "--route": ["", "at least 1 character"],
    "--model": [long, "at most 200 characters"],
    "--from": ["yesterday", "a date such as 2026-01-31"],
    "--to": ["2026-13-01", "a date such as 2026-01-31"],
    "--limit": ["0", "a whole number from 1 to 10000"],
  },
  allow: { ...listOptions, "--task": free, "--agent": [long, "at most 100 characters"] },
  "agent-types": { ...listOptions, "--sort": ["protocol", "one of created_at, "] },
  "task logs": {
    "--after": ["-1", "a whole number, 0 or more"],
    "--kind": ["gossip", "one of message, thought, "],
    "--run": [long, "at most 100 characters"],
    "--until": ["yesterday", "a date such as 2026-01-31"],
    "--level": ["loud", "one of debug, info, warn, error"],
    "--since": ["yesterday", "a date such as 2026-01-31"],
  },
  "agent ls": { "--status": ["busy", "one of PENDING, "], "--limit": ["0", "a whole number from 1 to 1000"] },
  "agent logs": {
    "--level": ["loud", "one of debug, info, warn, error"],
    "--since": ["yesterday", "a date such as 2026-01-31"],
  },
  "agent stop": { "--reason": free },
  "task prompt": {
    "--file": ["no-such-file", "a readable file"],
    "--agent": [long, "at most 100 characters"],
    "--attach": ["no-such-file", "a file"],
  },
  "task comment": {
    "--file": ["", "at least 1 character"],
    "--line": ["0", "a whole number from 1 to 100000000"],
    "--side": ["left", "one of old, new"],
    "--turn": ["last", "a full id (a UUID)"],
  },
  "task stop": { "--reason": free },
  "task answer": { "--permission": free },
  "runner create": {
    "--name": ["", "at least 1 character"],
    "--tier": ["huge", "one of small, medium, large, "],
    "--env": ["NOVALUE", "NAME=VALUE"],
    "--cpus": ["0", "a number from 0.1 to 256"],
    "--memory": ["1GiB", "a number from 0.0625 to 4096"],
    "--disk": ["0x10", "a number from 1 to 65536"],
    "--image": ["-rm", "an image's name, such as wharf-python:latest"],
    "--model-route": ["Gemini 3", "a model route, such as gemini, anthropic or openai"],
  },
  "runner ls": {
    "--status": ["ready", "one of CREATING, READY, "],
    "--limit": ["0", "a whole number from 1 to 1000"],
    "--offset": ["1.5", "a whole number from 0 to 10000"],
  },
  "runner exec": {
    "--workdir": ["x".repeat(5000), "at most 4096 characters"],
    "--timeout": ["0", "a number from 0.001 to 86400"],
    "--env": ["=x", "NAME=VALUE"],
    "--shell": ["", "at least 1 character"],
    "--file": ["no-such-file", "a readable file"],
  },
  "runner attach": attachOptions,
  budget: { ...listOptions, "--for": free },
  "budget set": {
    "--task": free,
    "--board": ["first", "a full id (a UUID)"],
    "--user": ["", "at least 1 character"],
    "--period": ["week", "one of total, day, month"],
    "--action": ["explode", "one of warn, pause, stop"],
    "--warn": ["80", "a number from 0.01 to 1"],
  },
  queue: { "--limit": ["0", "a whole number from 1 to 1000"] },
  "queue pause": { "--reason": ["x".repeat(2001), "at most 2000 characters"] },
  limit: listOptions,
  "limit set": {
    "--board": ["first", "a full id (a UUID)"],
    "--user": ["", "at least 1 character"],
    "--tier": ["huge", "one of small, medium, large, "],
  },
  "runner logs": { "--after": ["", "a whole number, 0 or more"] },
  watch: { "--after": ["x", "the id of an event of a board"] },
  "board ls": { ...listOptions, "--sort": ["role", "one of created_at, "] },
  "board members": { ...listOptions, "--sort": ["role", "one of created_at, "] },
  "board create": { "--description": [long, "at most 10000 characters"] },
  "board share": { "--role": ["guest", "one of viewer, editor, owner"] },
  "org create": { "--title": ["", "at least 1 character"] },
  "user ls": { ...listOptions, "--sort": ["role", "one of created_at, "] },
  "user invitations": { ...listOptions, "--sort": ["role", "one of -created_at, "] },
  "user add": { "--role": ["owner", "one of viewer, member, admin"], "--email": ["ada", "an e-mail address"] },
  "user invite": { "--role": ["owner", "one of viewer, member, admin"] },
  login: { "--email": ["x", "at least 3 characters"] },
  "session ls": { ...listOptions, "--sort": ["kind", "one of -created_at, "] },
  "passkey ls": { ...listOptions, "--user": ["", "at least 1 character"] },
  "passkey rm": { "--user": ["", "at least 1 character"] },
  "identity ls": { ...listOptions, "--user": ["", "at least 1 character"] },
  "identity rm": { "--user": ["", "at least 1 character"] },
  "token ls": { ...listOptions, "--sort": ["user", "one of created_at, "] },
  "token create": {
    "--permission": ["task:fly", "one of server:read, "],
    "--expires": ["tomorrow", "days from 1d to 3650d"],
    "--user": ["", "at least 1 character"],
  },
  "audit ls": { ...auditFilters, "--limit": ["0", "a whole number from 1 to 1000"] },
  "audit export": auditFilters,
  "audit verify": { "--anchor": free, "--file": free },
  "audit prune": { "--before": ["soon", "a date such as 2026-01-31"] },
  "workspace attach": attachOptions,
  "workspace branches": { "--limit": ["0", "a whole number from 1 to 1000"] },
  "workspace cat": {
    "--lines": ["x", "a line or a range of lines"],
    "--offset": ["-1", "a whole number, 0 or more"],
    "--length": ["-1", "a whole number, 0 or more"],
  },
  "workspace commit": { "--message": free },
  "workspace diff": { "--base": free, "--head": free, "--path": free, ...turnOption },
  "workspace exec": {
    "--workdir": ["x".repeat(5000), "at most 4096 characters"],
    "--timeout": ["0", "a number from 0.001 to 86400"],
    "--env": ["=x", "NAME=VALUE"],
    "--shell": ["", "at least 1 character"],
    "--file": ["no-such-file", "a readable file"],
  },
  "workspace find": { "--path": free, "--limit": ["0", "a whole number from 1 to 1000"] },
  "workspace grep": {
    "--path": free,
    "--include": free,
    "--exclude": free,
    "--context": ["-1", "a whole number"],
    "--limit": ["0", "a whole number from 1 to 1000"],
  },
  "workspace jobs start": {
    "--workdir": ["x".repeat(5000), "at most 4096 characters"],
    "--timeout": ["0", "a number from 0.001 to 86400"],
    "--env": ["=x", "NAME=VALUE"],
    "--shell": ["", "at least 1 character"],
  },
  "workspace jobs output": { "--after": ["-1", "a whole number, 0 or more"] },
  "workspace jobs kill": { "--signal": ["SIGNONE", "one of SIG"] },
  "workspace log": {
    "--path": free,
    "--limit": ["0", "a whole number from 1 to 1000"],
    "--skip": ["-1", "a whole number"],
  },
  "workspace replace": { "--old": ["", "at least 1 character"], "--new": free, "--if-match": free },
  "workspace restore": { "--from": free },
  "workspace rm": { "--if-match": free },
  "workspace show": { "--path": free },
  "workspace tree": {
    "--depth": ["0", "a whole number from 1 to 128"],
    "--limit": ["0", "a whole number from 1 to 100000"],
  },
  "workspace write": { "--file": free, "--if-match": free },
  "agent-types add": agentTypeOptions,
  "agent-types set": agentTypeOptions,
  "agent-types test": {
    "--prompt": ["", "at least 1 character"],
    "--file": free,
    "--board": free,
    "--timeout": ["0", "a whole number from 1 to 900"],
  },
};

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
