import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import type { Command } from "commander";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { evil, id, serveHostile } from "./fixtures/hostile-server.ts";
import { createPrinter } from "./render/safe-text.ts";
import { createTerminal } from "./terminal.ts";
import { createCommandTree } from "./testing.ts";
import { runWharf } from "./wharf.ts";

let folder = "";
let server: Awaited<ReturnType<typeof serveHostile>>;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "wharf-cli-"));
  server = await serveHostile();
});
afterAll(async () => {
  server.close();
  await rm(folder, { recursive: true });
});

/** Runs a command line and returns everything that it printed, to a terminal or to a pipe. */
async function typed(line: readonly string[], isTTY: boolean) {
  const printed = { text: "" };
  const stream = () => {
    const made = Object.assign(new PassThrough(), { isTTY, columns: 80, fd: -1 });
    made.on("data", (bytes) => (printed.text += String(bytes)));
    return made as unknown as NodeJS.WriteStream;
  };
  const stdin = Object.assign(new PassThrough(), { isTTY: false }) as unknown as NodeJS.ReadStream;
  const environment = { PATH: process.env.PATH, WHARF_DATA: folder, WHARF_URL: server.url, WHARF_TOKEN: "t" };
  const terminal = createTerminal(environment, { stdin, stdout: stream(), stderr: stream() });
  const code = await runWharf(line, { environment, terminal, stdin, folder });
  await new Promise((resolve) => setImmediate(resolve));
  return { code, text: printed.text };
}

/**
 * These commands pass bytes on unchanged, or work on this machine and print no text from a server.
 */
const exempt = new Set([
  "up",
  "down",
  "demo",
  "runner exec",
  "runner attach",
  "workspace attach",
  "runner cp",
  "workspace exec",
  "workspace cp",
]);

/**
 * Lists what a command needs besides an id for each of its arguments, and further ways to call it.
 */
const calls: Readonly<Record<string, readonly (readonly string[])[]>> = {
  run: [[evil, "--repo", "/srv/repository", "--agent", evil]],
  "template set": [[evil, evil]],
  "template show": [[id]],
  "task prompt": [[id], [id, evil, "--follow"]],
  "task logs": [[id], [id, "--follow"], [id, "--level", "info"]],
  "task show": [[id]],
  "task depend": [[id], [id, "--on", id], [id, "--remove", id]],
  "task comment": [[id, evil, "--file", "src/main.ts"]],
  "task edit-comment": [[id, id, evil]],
  "task assign": [[id, evil]],
  "task answer": [[id], [id, evil], [id, "--refuse"]],
  "task edit": [[id, "--priority", "3"]],
  "task mode": [[id], [id, evil]],
  "task model": [[id], [id, evil]],
  "task cancel-turn": [[id], [id, evil]],
  watch: [[]],
  branches: [[evil]],
  "runner ls": [[], ["--orphans"]],
  "runner rm": [[id], ["--all"], ["--orphans"]],
  "runner logs": [[id], [id, "--follow"]],
  "agent-types add": [[evil, "--", evil]],
  "workspace cat": [
    [id, evil],
    [id, evil, "--lines", "1-2"],
  ],
  "workspace write": [[id, evil, "--file", "/dev/null"]],
  "workspace replace": [[id, evil, "--old", evil, "--new", evil]],
  "workspace diff": [[id], [id, "--since-start", "--stat"]],
  "workspace log": [[id]],
  "workspace show": [
    [id, evil],
    [id, evil, "--stat"],
  ],
  "workspace restore": [[id, "--all"]],
  "workspace push": [[id]],
  "workspace checkout": [[id, evil]],
  "workspace jobs input": [[id, id, evil]],
  "workspace preview": [[id, "3000"]],
  "workspace terminals rename": [[id, id, evil]],
  "user role": [[id, "admin"]],
  "org join": [[`http://127.0.0.1/invitations/${"x".repeat(43)}`]],
  "passkey ls": [[], ["--user", evil]],
  "passkey rm": [[id], [id, "--user", evil]],
  "identity ls": [[], ["--user", evil]],
  "identity rm": [[id], [id, "--user", evil]],
  "token create": [[evil], [evil, "--user", id]],
  "budget set": [["5", "--organization"]],
  "limit set": [["5", "--organization"]],
};

/** These commands print patches and files unchanged if a program reads them. */
const patches = new Set(["diff", "show", "cat"]);

function lines(command: Command, path: readonly string[] = []): (readonly string[])[] {
  const name = path.join(" ");
  if (exempt.has(name)) return [];
  const own = command.registeredArguments.filter(({ required }) => required).map(() => id);
  const isGroup = command.commands.length > 0 && !["agent-types", "budget", "queue", "limit"].includes(name);
  const here = path.length === 0 || isGroup ? [] : (calls[name] ?? [own]).map((more) => [...path, ...more]);
  return [...here, ...command.commands.flatMap((one) => lines(one, [...path, one.name()]))];
}

const all = lines(createCommandTree());

// oxlint-disable-next-line no-control-regex
const obeyed = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/u;
/** These are the styles of this program. The hostile text contains none of them. */
// oxlint-disable-next-line no-control-regex
const styles = /\u001b\[(?:0|1|2|7|31|32|33|34|36)m/g;

describe("hostile text of agents, repositories and servers does not control the terminal", () => {
  test.each(all.map((line) => [line.join(" ").replaceAll(evil, "EVIL"), line] as const))("%s", async (_, line) => {
    const onTerminal = await typed(line, true);
    expect(onTerminal.text.replaceAll(styles, "")).not.toMatch(obeyed);
    expect(onTerminal.text).not.toContain("owned");
    if (!patches.has(line[1] ?? "")) expect((await typed(line, false)).text).not.toMatch(obeyed);
    const json = await typed([...line.slice(0, 2), "--json", ...line.slice(2)], false);
    expect(json.text).not.toMatch(obeyed);
  });

  test("the command lines above print hostile text", async () => {
    expect(all.length).toBeGreaterThan(25);
    const shown = await typed(["task", "show", id], true);
    expect(shown).toMatchObject({ code: 0, text: expect.stringContaining("evil") });
    const logs = (await typed(["task", "logs", id], false)).text;
    expect(logs.match(/evil/g)?.length).toBeGreaterThan(15);
    expect((await typed(["runner", "logs", id], false)).text).toContain("evil");
    expect((await typed(["watch"], false)).text.match(/evil/g)?.length).toBeGreaterThan(10);
    const json: unknown = JSON.parse((await typed(["task", "show", id, "--json"], false)).text);
    expect(json).toMatchObject({ task: { title: evil } });
  });
});

test("the printer passes only its own styles, and removes nothing else", () => {
  const print = createPrinter("123");
  expect(print("\u001b[31;123mred\u001b[0;123m \u001b[31mred \u001b]0;x\r\nnext\rover")).toBe(
    "\u001b[31mred\u001b[0m [31mred ]0;x\r\nnextover",
  );
});
