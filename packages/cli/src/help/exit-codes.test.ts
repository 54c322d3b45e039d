import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { listCommands, runCommandLine } from "../testing.ts";
import { exitCodeMeanings } from "./exit-codes.ts";

test("`wharf --help` lists the documented exit codes", async () => {
  const { out } = await runCommandLine(["--help"], { folder: "/nonexistent" });
  const page = await readFile(join(import.meta.dirname, "../../../../docs/commands.md"), "utf8");
  const documented = [...page.matchAll(/^\| (\d[\d, ]*?|any other) +\| (.+?) +\|$/gm)].map(([, code, text]) => [
    code,
    text,
  ]);
  expect(documented).toEqual(exitCodeMeanings);
  for (const [code, meaning] of exitCodeMeanings)
    expect(out).toMatch(new RegExp(`^  ${code} +${RegExp.escape(meaning)}$`, "m"));
});

/** These values stand in for a command's arguments, by name. */
const goodArguments: Readonly<Record<string, string>> = {
  from: import.meta.filename,
  to: "00000000:y",
  command: "true",
  prompt: "x",
  kind: "task",
  amount: "5",
  turns: "5",
  role: "admin",
  link: `http://127.0.0.1:1/login/${"x".repeat(43)}`,
  "invitation-link": `http://127.0.0.1:1/invitations/${"x".repeat(43)}`,
};
const neededOptions: Readonly<Record<string, readonly string[]>> = {
  run: ["--repo", "/"],
  "agent-types set": ["--enable"],
  "task edit": ["--priority", "3"],
  "budget set": ["--organization"],
  "limit set": ["--organization"],
  "workspace replace": ["--old", "a", "--new", "b"],
  "workspace write": ["--file", "/dev/null"],
  "audit prune": ["--before", "2026-01-01"],
};
/** These commands need no server. */
const local: ReadonlySet<string> = new Set([
  "up",
  "down",
  "demo",
  "doctor",
  "config show",
  "logout",
  "completion bash",
  "completion zsh",
  "completion fish",
  "agent-types",
  "budget",
  "queue",
  "limit",
]);
const needServer = listCommands().filter(([path, { commands }]) => commands.length === 0 && !local.has(path));

test.each(needServer)("`%s` exits with 2 if its server does not answer", async (path, { registeredArguments }) => {
  const words = registeredArguments.map((argument) => goodArguments[argument.name()] ?? "00000000");
  const line = [...path.split(" "), ...words, "--url", "http://127.0.0.1:1"];
  const more = neededOptions[path] ?? [];
  const own = words.includes("true")
    ? [...path.split(" "), "--url", "http://127.0.0.1:1", ...more, ...words]
    : [...line, ...more];
  const { code, err } = await runCommandLine(own, { folder: "/nonexistent" });
  expect({ code, err }).toMatchObject({ code: 2, err: expect.stringContaining("No Wharf server answers") });
});
