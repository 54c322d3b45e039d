import { spawnSync } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createCommandTree, runCommandLine } from "../testing.ts";
import { createScript } from "./scripts.ts";

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "wharf-completion-"));
  await writeFile(join(folder, "notes.txt"), "");
  // The ids come from `wharf completion ids`, which has a separate test with a server.
  await writeFile(join(folder, "wharf"), '#!/bin/sh\necho "$3-1111"\necho "$3-2222"\n', { mode: 0o755 });
});
afterAll(() => rm(folder, { recursive: true }));

const tree = createCommandTree();
const run = (program: string, ...args: string[]) => {
  const environment = { PATH: `${folder}:${process.env.PATH}` };
  const { stdout, stderr, status } = spawnSync(program, args, {
    encoding: "utf8",
    cwd: folder,
    env: environment,
    stdio: ["ignore", "pipe", "pipe"],
  });
  return { status, stderr, lines: stdout.split("\n").filter((line) => line !== "") };
};
const isInstalled = (program: string) => spawnSync(program, ["--version"]).error === undefined;

/** Completes words in bash, split like its line editor splits them. */
function inBash(...words: string[]): string[] {
  const given = ["wharf", ...words].map((word) => `'${word}'`).join(" ");
  const ask = `COMP_WORDS=(${given}); COMP_CWORD=${words.length}; _wharf; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { stderr, lines } = run("bash", "--norc", "-c", `${createScript("bash", tree)}\n${ask}`);
  expect(stderr).toBe("");
  return lines;
}

/** Runs the functions in the shell that fish starts. */
function inSh(...words: string[]): string[] {
  const functions = createScript("bash", tree).split("\n_wharf() {")[0] ?? "";
  const { stderr, lines } = run("sh", "-c", `${functions}\n_wharf_candidates "$@"`, "wharf", ...words);
  expect(stderr).toBe("");
  return lines;
}

describe("completion in bash", () => {
  test("offers exactly the commands of every group", () => {
    const names = tree.commands.map((command) => command.name());
    expect(inBash("")).toEqual(names);
    for (const group of tree.commands.filter(({ commands }) => commands.length > 0))
      expect(inBash(group.name(), "")).toEqual(group.commands.map((command) => command.name()));
    expect(inBash("ta")).toEqual(["task"]);
    expect(inBash("runners", "at")).toEqual(["attach"]);
  });

  test.each([
    [["task", "ls", "--st"], ["--state"]],
    [["--json", "task", "ls", "--j"], ["--json"]],
    [["task", "ls", "--state", "IN"], ["IN_PROGRESS"]],
    [["task", "ls", "--state", "=", "IN"], ["IN_PROGRESS"]],
    [
      ["run", "--policy", "allow-"],
      ["allow-edits", "allow-all"],
    ],
    [["--url", "task", "runner", "create", "--tier", "s"], ["small"]],
    [
      ["completion", "ids", ""],
      ["task", "runner", "workspace", "agent", "board", "user", "token"],
    ],
    [
      ["task", "show", ""],
      ["task-1111", "task-2222"],
    ],
    [["task", "prompt", "-f", "task-2"], ["task-2222"]],
    [
      ["runner", "exec", "-w", "src", ""],
      ["runner-1111", "runner-2222"],
    ],
    [
      ["runner", "rm", "runner-1111", "r"],
      ["runner-1111", "runner-2222"],
    ],
    [["run", "--agent", "agent-2"], ["agent-2222"]],
    [
      ["agent-types", "rm", ""],
      ["agent-1111", "agent-2222"],
    ],
    [["token", "create", "x", "--permission", "usage:"], ["usage:read"]],
    [["token", "create", "x", "--user", "user-1"], ["user-1111"]],
    [["token", "rm", "token-1"], ["token-1111"]],
    [["task", "create", "x", "--board", "board-1"], ["board-1111"]],
    [
      ["board", "share", ""],
      ["board-1111", "board-2222"],
    ],
    [["board", "share", "board-1111", "user-1"], ["user-1111"]],
    [["board", "create", ""], []],
    [["user", "role", "ada", "ad"], ["admin"]],
    [["run", "--file", "no"], ["notes.txt"]],
    [["runner", "cp", "no"], ["notes.txt"]],
    [["workspace", "cp", "no"], ["notes.txt"]],
    [
      ["workspace", "cat", ""],
      ["workspace-1111", "workspace-2222"],
    ],
    [["runner", "exec", "R", "npm", "--js"], []],
    [["runner", "exec", "R", "--", ""], []],
    [["agent-types", "add", "mine", "agent", "--"], []],
    [["task", "show", "T", ""], []],
    [["task", "stop", "T", "--reason", ""], []],
  ])("%j", (words, offered) => {
    expect(inBash(...words)).toEqual(offered);
  });

  test("offers every visible option of every command", () => {
    expect(inBash("task", "ls", "-")).toEqual(
      expect.arrayContaining(["--state", "--limit", "--json", "--url", "--profile", "--wide", "--help"]),
    );
    expect(inBash("runner", "exec", "-")).toEqual(expect.arrayContaining(["-i", "--interactive", "-t", "--timeout"]));
  });
});

test("the functions work in the plain shell that fish starts", () => {
  expect(inSh("task", "ls", "--state", "")).toEqual(inBash("task", "ls", "--state", ""));
  expect(inSh("")).toEqual(inBash(""));
  expect(inSh("run", "--file", "")).toEqual(["@file"]);
  expect(inSh("runner", "exec", "R", "npm", "")).toEqual([]);
});

test("fish reads the quoted functions in its script unchanged", async () => {
  const { out } = await runCommandLine(["completion", "fish"], { folder });
  const [, quoted = ""] = /sh -c '((?:[^'\\]|\\.)*)' wharf/s.exec(out) ?? [];
  const functions = quoted.replaceAll(/\\(['\\])/g, "$1");
  expect(run("sh", "-c", functions, "wharf", "task", "sh").lines).toContain("show");
  if (isInstalled("fish")) {
    expect(run("fish", "-n", "-c", out)).toMatchObject({ status: 0, stderr: "" });
    const asked = `${out}\ncomplete -C 'wharf task ls --state IN'`;
    expect(run("fish", "-c", asked).lines).toEqual(["IN_PROGRESS"]);
  }
});

test("zsh can read its script", async () => {
  const { out } = await runCommandLine(["completion", "zsh"], { folder });
  expect(out).toMatch(/^#compdef wharf\n/);
  expect(out).toContain("compdef _wharf wharf");
  if (isInstalled("zsh")) {
    await writeFile(join(folder, "script.zsh"), out);
    expect(run("zsh", "-n", join(folder, "script.zsh"))).toMatchObject({ status: 0, stderr: "" });
    const ask = `compdef() { }; source ${join(folder, "script.zsh")}; _wharf_candidates task ls --state ""`;
    expect(run("zsh", "-c", ask).lines).toContain("IN_PROGRESS");
  }
});
