import { spawn } from "node:child_process";
import { once } from "node:events";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { api, runnerApi } from "@wharf/contract";
import { afterAll, beforeAll, expect, it } from "vitest";
import { git, makeRepository } from "./support/repository.ts";
import { isPushed, scratchFolder, spoken, Wharf } from "./support/wharf.ts";

/** A whole server whose runners are in its own memory: tasks, turns and branches are as real as ever. */
const launcher = join(import.meta.dirname, "../packages/cli/bin/wharf.js");
let folder: string;
let remote: string;
let wharf: Wharf;
beforeAll(async () => {
  folder = scratchFolder();
  remote = makeRepository(join(folder, "remote"), { "README.md": "# A sample\n", "src/a.txt": "one\n" });
  wharf = new Wharf(folder, { AGENT_MODE: "mock" });
  await wharf.start();
});
afterAll(async () => {
  await wharf[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

// S-003, S-004, S-013
it("works on a task without a process of its own and pushes its branch", async () => {
  const { backend } = await wharf.client.call(api.serverInfo, {});
  expect(backend).toBe("mock");
  const task = await wharf.createTask({ repository_url: remote });
  const events = await wharf.turn(task, "demo: write src/b.txt two\ndemo: say done");
  expect(spoken(events)).toContain("done\n");
  await wharf.until(task.id, isPushed);
  expect(git(remote, "show", `shadow/task-${task.id}:src/b.txt`)).toBe("two");
  expect(wharf.runnerIds()).toEqual([]);
});

it("goes on after its runner died in the middle of a turn: the turn is interrupted, the next one is given", async () => {
  const task = await wharf.createTask({ repository_url: remote });
  await wharf.prompt(task, "demo: say before\ndemo: die\ndemo: say after");
  const interrupted = await wharf.until(task.id, ({ data }) => data.kind === "turn" && data.status === "interrupted");
  expect(spoken(interrupted)).not.toContain("after");
  expect(spoken(await wharf.turn(task, "demo: say again"))).toContain("again\n");
});

// S-013, R-010, R-033
it("has runners by hand too: commands and their input work, and what it has not got says so", async () => {
  const created = await runnerCli(["create", "--json"]);
  const { id } = JSON.parse(created.stdout);
  expect(await runnerCli(["exec", id, "--", "echo out; echo err >&2; exit 7"])).toMatchObject({
    code: 7,
    stdout: "out\n",
    stderr: "err\n",
  });
  expect(await runnerCli(["exec", id, "--", "cat"], "given")).toMatchObject({ code: 0, stdout: "given" });
  expect(await runnerCli(["exec", id, "--", "sleep 60"], "never read")).toMatchObject({ code: 124 });
  const request = { params: { runner_id: id }, body: { command: "cat kept || echo new > kept" } };
  await wharf.client.call(runnerApi.execRunnerOnce, request);
  for (const step of ["stop", "start"]) expect((await runnerCli([step, id])).code).toBe(0);
  expect((await wharf.client.call(runnerApi.execRunnerOnce, request)).stdout).toBe("new\n");
  for (const args of [
    ["attach", id],
    ["cp", `${id}:kept`, folder],
    ["logs", id],
  ])
    expect(await runnerCli(args)).toMatchObject({ code: 2, stderr: expect.stringContaining("mock runner") });
  expect((await runnerCli(["rm", id])).code).toBe(0);
  expect((await runnerCli(["exec", id, "--", "true"])).code).toBe(2);
});

async function runnerCli(args: readonly string[], input?: string) {
  const options = args[0] === "exec" ? ["-t", "1"] : [];
  const child = spawn(process.execPath, [launcher, "runner", ...args.slice(0, 1), ...options, ...args.slice(1)], {
    env: wharf.environment,
    stdio: [input === undefined ? "ignore" : "pipe", "pipe", "pipe"],
  });
  child.stdin?.on("error", () => undefined).end(input);
  const [stdout, stderr, [code]] = await Promise.all([text(child.stdout!), text(child.stderr!), once(child, "close")]);
  return { code: Number(code), stdout, stderr };
}
