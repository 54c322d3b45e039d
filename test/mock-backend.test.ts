import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { api, runnerApi } from "@wharf/contract";
import { afterAll, beforeAll, expect, test } from "vitest";
import { eventually } from "./support/eventually.ts";
import { noTraces, findTraces } from "./support/processes.ts";
import { git, createRepository } from "./support/repository.ts";
import { createScratchFolder, getAgentText, isPushed, launcher, ServerHarness } from "./support/server-harness.ts";

/**
 * A whole server whose runners are real daemons behind a simulated wire, with real tasks, turns and
 * branches.
 */
let folder: string;
let remote: string;
let wharf: ServerHarness;
beforeAll(async () => {
  folder = createScratchFolder();
  remote = createRepository(join(folder, "remote"), { "README.md": "# A sample\n", "src/a.txt": "one\n" });
  wharf = new ServerHarness(folder, { AGENT_MODE: "mock" });
  await wharf.start();
});
afterAll(async () => {
  await wharf[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

// S-003, S-004, S-013
test("completes a task, pushes its branch, and reports that its runners are not sandboxes", async () => {
  const server = await wharf.client.call(api.serverInfo, {});
  expect(server).toMatchObject({ backend: "mock", isolation: "unsafe", isolation_reason: expect.any(String) });
  const task = await wharf.createTask({ repository_url: remote });
  const events = await wharf.turn(task, "demo: write src/b.txt two\ndemo: say done");
  expect(getAgentText(events)).toContain("done\n");
  await wharf.until(task.id, isPushed);
  expect(git(remote, "show", `shadow/task-${task.id}:src/b.txt`)).toBe("two");
  expect(wharf.runnerIds()).toEqual([]);
});

test("continues after its runner died during a turn: the turn is interrupted, and the next one runs", async () => {
  const task = await wharf.createTask({ repository_url: remote });
  await wharf.prompt(task, "demo: say before\ndemo: die\ndemo: say after");
  const interrupted = await wharf.until(task.id, ({ data }) => data.kind === "turn" && data.status === "interrupted");
  expect(getAgentText(interrupted)).not.toContain("after");
  expect(getAgentText(await wharf.turn(task, "demo: say again"))).toContain("again\n");
});

// S-013 R-033
test("has standalone runners with commands, their input, and files", async () => {
  const created = await runnerCli(["create", "--json"]);
  const { id } = JSON.parse(created.stdout);
  expect(await runnerCli(["exec", id, "--", "echo out; echo err >&2; exit 7"])).toMatchObject({
    code: 7,
    stdout: "out\n",
    stderr: "err\n",
  });
  expect(await runnerCli(["exec", id, "--", "cat"], "given")).toMatchObject({ code: 0, stdout: "given" });
  const request = { params: { runner_id: id }, body: { command: "cat kept || echo new > kept" } };
  await wharf.client.call(runnerApi.execRunnerOnce, request);
  for (const step of ["stop", "start"]) expect((await runnerCli([step, id])).code).toBe(0);
  expect((await wharf.client.call(runnerApi.execRunnerOnce, request)).stdout).toBe("new\n");
  const copy = join(folder, "copy");
  expect(await runnerCli(["cp", `${id}:kept`, copy])).toMatchObject({ code: 0 });
  expect(readFileSync(copy, "utf8")).toBe("new\n");
  expect((await runnerCli(["rm", id])).code).toBe(0);
  expect((await runnerCli(["exec", id, "--", "true"])).code).toBe(2);
  await eventually(() => findTraces(id), noTraces);
});

test("loses its runners with a killed server, and the next server gives a task a new one", async () => {
  const task = await wharf.createTask({ repository_url: remote });
  await wharf.turn(task, "demo: say one");
  const { agents } = await wharf.client.call(api.listTaskAgents, { params: { task_id: task.id } });
  const id = agents[0]?.runner_id ?? "none";
  expect(findTraces(id).processes).not.toEqual([]);
  await wharf.kill();
  await eventually(() => findTraces(id), noTraces);
  await wharf.start();
  expect(getAgentText(await wharf.turn(task, "demo: say two"))).toContain("two\n");
});

async function runnerCli(args: readonly string[], input?: string) {
  const stdin = input === undefined ? [] : ["-i"];
  const options = args[0] === "exec" ? ["-t", "1", ...stdin] : [];
  const child = spawn(process.execPath, [launcher, "runner", ...args.slice(0, 1), ...options, ...args.slice(1)], {
    env: wharf.environment,
    stdio: [input === undefined ? "ignore" : "pipe", "pipe", "pipe"],
  });
  child.stdin?.on("error", () => undefined).end(input);
  const [stdout, stderr, [code]] = await Promise.all([text(child.stdout!), text(child.stderr!), once(child, "close")]);
  return { code: Number(code), stdout, stderr };
}
