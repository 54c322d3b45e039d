import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { api, type Event } from "@wharf/contract";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import { eventually } from "./support/eventually.ts";
import { createRepository, git } from "./support/repository.ts";
import { RunnerCommands } from "./support/runner-commands.ts";
import { createScratchFolder, getAgentText, ServerHarness } from "./support/server-harness.ts";

/** The server's secrets on their ways out. The tests bring them into runners themselves. */
const key = `AIza-${randomBytes(20).toString("hex")}-end`;
const stars = "*".repeat(key.length);

let folder: string;
let wharf: ServerHarness;
let runners: RunnerCommands;

beforeAll(async () => {
  folder = createScratchFolder();
  wharf = new ServerHarness(folder, { WHARF_LOCAL_UNSAFE: "1", GEMINI_API_KEY: key });
  runners = new RunnerCommands(wharf);
  await wharf.start();
});
afterAll(async () => {
  await wharf[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

const findNotices = (events: readonly Event[], words: string) =>
  events.filter(({ data }) => data.kind === "notice" && data.message.includes(words));

test("a key in an agent's output is not in the task's log, which reports it once", async () => {
  const task = await wharf.createTask({ repository_url: createRepository(join(folder, "output")) });
  const encoded = Buffer.from(`user:${key}`).toString("hex");
  const lines = [`demo: say one ${key}`, "demo: say between", `demo: say two ${encoded}`].join("\n");
  const shown = getAgentText(await wharf.turn(task, lines));
  expect(shown).toContain(`one ${stars}`);
  expect(shown).not.toContain(Buffer.from(key).toString("hex"));
  const reported = await wharf.until(task.id, (event) => findNotices([event], "GEMINI_API_KEY").length > 0);
  expect(findNotices(reported, "GEMINI_API_KEY")).toHaveLength(1);
});

test("a key that an agent prints in two parts is in neither event", async () => {
  const task = await wharf.createTask({ repository_url: createRepository(join(folder, "divided")) });
  const [first, second] = [key.slice(0, 20), key.slice(20)];
  const events = await wharf.turn(task, `demo: print one ${first}\ndemo: sleep 300ms\ndemo: print ${second} two`);
  const printed = events.flatMap(({ data }) => (data.kind === "output" ? [data.text] : []));
  expect(printed).toEqual([`one ${"*".repeat(first.length)}`, `${"*".repeat(second.length)} two`]);
});

describe("a key in a runner does not leave it", () => {
  test("in a command's output, as text or as base64, nor in a file or an archive", async () => {
    const runner = await runners.create();
    const printed = await runners.exec(runner, `printf 'x%sy' '${key}' | tee key.txt; printf '\\377' >> key.txt`);
    expect(printed.stdout.toString()).toBe(`x${stars}y`);
    const [first, second] = [key.slice(0, 20), key.slice(20)];
    const divided = await runners.exec(runner, `printf 'x%s' '${first}'; sleep 0.3; printf '%sy' '${second}'`);
    expect(divided.stdout.toString()).toBe(`x${stars}y`);
    const base64 = await runners.exec(runner, "base64 -w0 key.txt");
    expect(base64.stdout.toString()).toContain(stars);
    for (const [from, to] of [
      ["key.txt", "copy.txt"],
      [".", "copy"],
    ] as const) {
      const copied = await runners.run(["cp", `${runner.id}:${from}`, join(folder, to)]);
      expect(copied).toMatchObject({ code: 0 });
    }
    const content = Buffer.concat([Buffer.from(`x${stars}y`), Buffer.from([0xff])]);
    expect(readFileSync(join(folder, "copy.txt"))).toEqual(content);
    expect(readFileSync(join(folder, "copy", "key.txt"))).toEqual(content);
  });

  test("in an error", async () => {
    const runner = await runners.create();
    const failed = await runners.run(["cp", `${runner.id}:missing-${key}/x`, join(folder, "missing")]);
    expect(failed.code).not.toBe(0);
    const { stderr } = await runners.run(["exec", "--json", "-w", `missing-${key}`, runner.id, "--", "true"]);
    expect(stderr).toContain(stars);
    expect(failed.stderr.replaceAll(`${runner.id}:missing-${key}`, "") + stderr).not.toContain(key);
  });

  test("through a terminal, also one character at a time", async () => {
    const runner = await runners.create();
    const { url, token } = await wharf.client.locate();
    const address = `${url.replace("http", "ws")}/api/v1/runners/${runner.id}/terminals/new`;
    const socket = new WebSocket(address, { headers: { authorization: `Bearer ${token}` } });
    const pieces: Buffer[] = [];
    socket.on("message", (data: Buffer, isBinary) => isBinary && pieces.push(data));
    await once(socket, "open");
    const letters = Array.from(key, (letter) => `printf %s ${letter}; sleep 0.01;`).join(" ");
    socket.send(Buffer.from(`stty -echo; clear; ${letters} echo; echo en""d; exit\n`));
    const shows = () => Buffer.concat(pieces).toString();
    await eventually(() => shows().includes("end\r\n"), true);
    expect(shows()).toContain("*".repeat(key.length - 3));
    expect(shows()).not.toContain(key);
  });
});

test("a key that a repository contains is in no diff, from the runner or from the mirror", async () => {
  const repository = createRepository(join(folder, "leaked"), { "config.txt": `key=${key}\n` });
  const task = await wharf.createTask({ repository_url: repository });
  await wharf.turn(task, "demo: write config.txt empty");
  await wharf.until(task.id, ({ data }) => data.kind === "push" && data.status === "pushed", 60_000);
  const readDiff = async () => (await wharf.cli("task", "diff", task.id)).stdout;
  expect(await readDiff()).toContain(`-key=${stars}`);
  const { agents } = await wharf.client.call(api.listTaskAgents, { params: { task_id: task.id } });
  const runner = agents[0]?.runner_id ?? "";
  await wharf.cli("task", "stop", task.id);
  // Without a connection to the runner, the diff comes from the mirror.
  await eventually(async () => (await runners.run(["exec", runner, "--", "true"])).code === 0, false, 60_000);
  expect(await readDiff()).toContain(`-key=${stars}`);
});

test("a branch with a token is delivered only after a person has allowed it", async () => {
  const remote = createRepository(join(folder, "pushed"));
  const task = await wharf.createTask({ repository_url: remote });
  const secretToken = `ghp${"_"}${randomBytes(18).toString("hex")}`;
  await wharf.prompt(task, `demo: write config.txt ${secretToken}`);
  await wharf.until(task.id, ({ data }) => data.kind === "push" && data.status === "failed", 60_000);
  const isDenied = ({ data }: Event) => data.kind === "denied" && data.reason.includes("config.txt");
  const denied = JSON.stringify((await wharf.until(task.id, isDenied)).filter(isDenied));
  const [, fingerprint = ""] = /config\.txt:1 GitHub token \[github-token ([0-9a-f]{16})\]/.exec(denied) ?? [];
  expect(fingerprint).not.toBe("");
  const { code } = await wharf.cli("task", "push", task.id, "--allow-secret", fingerprint);
  expect(code).toBe(0);
  await wharf.until(task.id, ({ data }) => data.kind === "push" && data.status === "pushed", 60_000);
  expect(git(remote, "show", `${task.shadow_branch}:config.txt`)).toBe(secretToken);
});
