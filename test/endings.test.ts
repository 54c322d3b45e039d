import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type IPty, spawn as spawnPty } from "@lydell/node-pty";
import { api } from "@wharf/contract";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Client } from "../packages/cli/src/server/client.ts";
import { createLocator } from "../packages/cli/src/server/server-address.ts";
import { eventually } from "./support/eventually.ts";
import { noTraces, findTraces } from "./support/processes.ts";
import { createRepository } from "./support/repository.ts";
import { createScratchFolder, launcher, ServerHarness } from "./support/server-harness.ts";

let folder = "";
let data = "";
let repository = "";
let environment: Record<string, string> = {};
let client: Client;
beforeAll(() => {
  folder = createScratchFolder();
  data = join(folder, "data");
  repository = createRepository(join(folder, "remote"));
  environment = { PATH: process.env["PATH"] ?? "", HOME: folder, WHARF_DATA: data, WHARF_PORT: "0" };
  client = new Client(createLocator({ dataFolder: data }));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const runArguments = (prompt: string) =>
  ["run", prompt, "--repo", repository, "--agent", "demo", "--policy", "allow-all"] as const;

function pipe(...args: readonly string[]): ChildProcess {
  return spawn(process.execPath, [launcher, ...args], { env: environment, stdio: ["ignore", "pipe", "pipe"] });
}

/** Runs `wharf` on a separate terminal. */
function open(...args: readonly string[]) {
  const pty = spawnPty(process.execPath, [launcher, ...args], { env: environment, cols: 100, rows: 30 });
  const screen = { text: "" };
  pty.onData((text) => (screen.text += text));
  // As a shell tells it: a Ctrl-C at the last moment, with nothing left to stop, ends the process.
  const exitCode = new Promise<number>((resolve) =>
    pty.onExit(({ exitCode: code, signal }) => resolve(signal ? 128 + signal : code)),
  );
  return { pty, screen, exitCode };
}

/** Closes the terminal like a closed window: the program gets a signal, and its writes fail. */
const closeWindow = (pty: IPty) => (pty as IPty & { destroy(): void }).destroy();

const expectNothingLeft = () => eventually(() => findTraces(data), noTraces, 30_000);

describe("a run with its own server leaves no process", () => {
  test("when the reader closes its output, and exits with that code", async () => {
    const child = pipe(...runArguments("demo: say one\ndemo: sleep 200ms\ndemo: say two\ndemo: hang"));
    let shown = "";
    const exit = once(child, "exit");
    child.stdout!.on("data", (bytes) => {
      shown += String(bytes);
      if (shown.includes("one")) child.stdout!.destroy();
    });
    expect((await exit)[0]).toBe(141);
    await expectNothingLeft();
  });

  test("when its terminal is closed", async () => {
    const { pty, screen, exitCode } = open(...runArguments("demo: say working\ndemo: hang"));
    await eventually(() => screen.text.includes("working"), true, 60_000);
    closeWindow(pty);
    expect(await exitCode).toBe(129);
    await expectNothingLeft();
  });

  test("when Ctrl-C is pressed before the task has a runner, and everything stops in order", async () => {
    const { pty, screen, exitCode } = open(...runArguments("demo: say working\ndemo: hang"));
    // This is the title of the task, which appears first.
    await eventually(() => screen.text.includes("working"), true, 60_000);
    pty.write("\u0003");
    expect(await exitCode).toBe(130);
    expect(screen.text).not.toContain("could not stop the agents in order");
    await expectNothingLeft();
  });

  test("when Ctrl-C is pressed repeatedly although the agent does not exit", async () => {
    const { pty, screen, exitCode } = open(...runArguments("demo: say working\ndemo: hang deaf"));
    await eventually(() => screen.text.includes("working"), true, 60_000);
    const presses = setInterval(() => pty.write("\u0003"), 100);
    expect(await exitCode.finally(() => clearInterval(presses))).toBe(130);
    await expectNothingLeft();
  });
});

describe("a server", () => {
  test("continues without its outputs and without a terminal until it is stopped", async () => {
    const child = pipe("up");
    const exit = once(child, "exit");
    await once(child.stdout!, "data");
    child.stdout!.destroy();
    child.stderr!.destroy();
    child.kill("SIGHUP");
    for (let i = 0; i < 3; i++)
      await client.call(api.createBoard, { body: { name: `board ${i}` } }, { retryTimeoutMs: 10_000 });
    child.kill("SIGTERM");
    expect(await exit).toEqual([0, null]);
    await expectNothingLeft();
  });

  test("shuts down normally when its terminal is closed", async () => {
    const { pty, screen, exitCode } = open("up");
    await eventually(() => screen.text.includes("Wharf"), true, 60_000);
    closeWindow(pty);
    expect(await exitCode).toBe(129);
    expect(existsSync(join(data, "server.sock"))).toBe(false);
    await expectNothingLeft();
  });
});

test("a followed log exits as its signal says, and by itself when the task is over", async () => {
  await using wharf = new ServerHarness(folder);
  await wharf.start();
  const task = await wharf.createTask({ repository_url: repository });
  await wharf.prompt(task, "demo: say working\ndemo: hang");
  for (const [signal, code] of [
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const) {
    const logs = pipe("task", "logs", task.id, "--follow");
    const exit = once(logs, "exit");
    await once(logs.stdout!, "data");
    logs.kill(signal);
    expect(await exit).toEqual([code, null]);
  }
  const logs = pipe("task", "logs", task.id, "--follow");
  const exit = once(logs, "exit");
  logs.stdout!.resume();
  await wharf.client.call(api.cancelTask, { params: { task_id: task.id } });
  expect(await exit).toEqual([0, null]);
});
