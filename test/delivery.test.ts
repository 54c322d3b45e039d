import { chmodSync, existsSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { api, type Event, type Task } from "@wharf/contract";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { eventually } from "./support/eventually.ts";
import { startGitServer } from "./support/git-server.ts";
import { git, createRepository } from "./support/repository.ts";
import { createScratchFolder, getAgentText, ServerHarness } from "./support/server-harness.ts";
import { type SlowRemote, startSlowRemote } from "./support/slow-remote.ts";

let folder: string;
let wharf: ServerHarness;
let count = 0;

beforeAll(async () => {
  folder = createScratchFolder();
  wharf = new ServerHarness(folder, { WHARF_IDLE: "1h", WHARF_GIT_HOSTS: "127.0.0.1+loopback+http" });
  await wharf.start();
});
afterAll(async () => {
  await wharf[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

const newRemote = () => createRepository(join(folder, `remote-${count++}`));
const runOf = async (task: Task) =>
  (await wharf.client.call(api.listTaskAgents, { params: { task_id: task.id } })).agents[0];
const pushes = (events: readonly Event[]) =>
  events.flatMap(({ data }) => (data.kind === "push" ? [{ status: data.status, message: data.message }] : []));
const isPush = (status: string) => (event: Event) => event.data.kind === "push" && event.data.status === status;

/** Makes the remote's hook refuse pushes with these words, or accept them. */
function refusePushes(remote: string, words: string | undefined): void {
  const hook = join(remote, ".git", "hooks", "pre-receive");
  if (words === undefined) return rmSync(hook, { force: true });
  writeFileSync(hook, `#!/bin/sh\necho '${words}' >&2\nexit 1\n`);
  chmodSync(hook, 0o755);
}

describe("a task that is accepted before its branch is delivered", () => {
  test("reports it, and the branch arrives when the remote is back", async () => {
    const remote = newRemote();
    const name = remote.split("/").at(-1)!;
    let server = await startGitServer(folder);
    const { url } = server;
    const repository_url = `${url}/${name}/.git`;
    git(remote, "config", "http.receivepack", "true");
    const task = await wharf.createTask({ repository_url });
    await wharf.turn(task, "demo: say here");
    await server[Symbol.asyncDispose]();
    await wharf.prompt(task, "demo: write a.txt a");
    await wharf.until(task.id, isPush("pending"));
    await wharf.cli("task", "accept", task.id);
    expect((await wharf.task(task.id)).state).toBe("COMPLETED");
    server = await startGitServer(folder, undefined, Number(new URL(url).port));
    await wharf.until(task.id, isPush("pushed"), 60_000);
    await server[Symbol.asyncDispose]();
    expect(git(remote, "show", `${task.shadow_branch}:a.txt`)).toBe("a");
  });

  test("keeps its commit on the runner's disk when the remote refuses it, until a person retries the push", async () => {
    const remote = newRemote();
    git(remote, "config", "http.receivepack", "true");
    refusePushes(remote, "the gates are closed");
    await using server = await startGitServer(folder);
    const task = await wharf.createTask({ repository_url: `${server.url}/${remote.split("/").at(-1)}/.git` });
    await wharf.prompt(task, "demo: write a.txt a");
    const events = await wharf.until(task.id, isPush("failed"));
    expect(pushes(events).at(-1)?.message).toContain("the gates are closed");
    await wharf.cli("task", "accept", task.id);
    await eventually(async () => (await runOf(task))?.status, "COMPLETED");
    refusePushes(remote, undefined);
    expect((await wharf.cli("task", "push", task.id)).code).toBe(0);
    await wharf.until(task.id, isPush("pushed"));
    expect(git(remote, "show", `${task.shadow_branch}:a.txt`)).toBe("a");
    expect((await wharf.cli("task", "push", task.id)).code).toBe(2);
  });
});

test("a commit's author comes from the git configuration of the server's user, and its co-author is the agent", async () => {
  git(folder, "config", "--file", join(folder, ".gitconfig"), "user.name", "Ada Lovelace");
  git(folder, "config", "--file", join(folder, ".gitconfig"), "user.email", "ada@example.org");
  const remote = newRemote();
  const task = await wharf.createTask({ repository_url: remote });
  await wharf.turn(task, "demo: write a.txt a");
  await wharf.until(task.id, isPush("pushed"));
  const format = "--format=%an <%ae> %cn <%ce>%n%(trailers:key=Co-authored-by,valueonly)";
  expect(git(remote, "log", "-1", format, task.shadow_branch).trim()).toBe(
    "Ada Lovelace <ada@example.org> Ada Lovelace <ada@example.org>\ndemo (Wharf) <wharf@localhost>",
  );
});

describe("remotes that never complete a response", () => {
  let trickling: SlowRemote;
  let silent: SlowRemote;
  beforeAll(async () => {
    trickling = await startSlowRemote();
    silent = await startSlowRemote({ isSilent: true });
  });
  afterAll(async () => {
    await trickling[Symbol.asyncDispose]();
    await silent[Symbol.asyncDispose]();
  });

  test(
    "do not delay the start of healthy tasks, and their tasks are stopped at once",
    { timeout: 180_000 },
    async () => {
      const slow = await Promise.all(
        Array.from({ length: 8 }, (_, i) =>
          wharf.createTask({ repository_url: `${(i % 2 ? trickling : silent).url}/repository-${i}.git` }),
        ),
      );
      await Promise.all(slow.map((task) => wharf.prompt(task, "demo: say never")));
      const isFetching = ({ data }: Event) => data.kind === "phase" && data.phase === "clone";
      for (const task of slow) await wharf.until(task.id, isFetching, 60_000);
      const healthy = await wharf.createTask({ repository_url: newRemote() });
      expect(getAgentText(await wharf.turn(healthy, "demo: say here"))).toContain("here");
      for (const task of slow) expect((await runOf(task))?.status).toBe("STARTING");

      const began = Date.now();
      await wharf.cli("task", "stop", slow[0]!.id);
      await eventually(async () => (await runOf(slow[0]!))?.status, "STOPPED");
      // The cancellation does not wait for the remote, whose timeout is minutes long.
      expect(Date.now() - began).toBeLessThan(30_000);
      await Promise.all(slow.slice(1).map((task) => wharf.cli("task", "cancel", task.id)));
      for (const task of slow) await eventually(async () => (await runOf(task))?.status, "STOPPED");
    },
  );
});

describe("a run between turns", () => {
  let idle: ServerHarness;
  const place = () => join(folder, "idle");
  beforeAll(async () => {
    idle = new ServerHarness(place(), {
      WHARF_IDLE: "2s",
      WHARF_MAX_RUNNERS: "2",
      WHARF_GIT_HOSTS: "127.0.0.1+loopback+http",
    });
    await idle.start();
  });
  afterAll(() => idle[Symbol.asyncDispose]());
  const rests = ({ data }: Event) => data.kind === "notice" && data.message.includes("The runner was stopped after");

  test("releases its runner, and the next prompt continues the conversation on the same disk", async () => {
    const task = await idle.createTask({ repository_url: newRemote() });
    await idle.turn(task, "demo: say the sea\ndemo: run echo kept > kept.txt");
    await idle.until(task.id, rests);
    const [runner] = idle.runnerIds();
    const events = await idle.turn(task, "demo: recall\ndemo: run cat kept.txt");
    expect(getAgentText(events)).toContain("the sea");
    expect(getAgentText(events)).toContain("exit code: 0");
    expect(idle.runnerIds()).toEqual([runner]);
    const { agents } = await idle.client.call(api.listTaskAgents, { params: { task_id: task.id } });
    expect(agents).toHaveLength(1);
  });

  test("starts again when a person opens its runner", async () => {
    const task = await idle.createTask({ repository_url: newRemote() });
    await idle.turn(task, "demo: run echo here > look.txt");
    await idle.until(task.id, rests);
    const runner = idle.runnerIds().find((id) => existsSync(join(idle.data, "runners", id, "workspace", "look.txt")));
    const shown = await idle.cli("runner", "exec", runner ?? "", "cat", "look.txt");
    expect(shown).toMatchObject({ code: 0, stdout: "here\n" });
  });

  test("makes room for another run at the limit of runners", async () => {
    const tasks = await Promise.all(Array.from({ length: 4 }, () => idle.createTask({ repository_url: newRemote() })));
    for (const task of tasks) await idle.prompt(task, "demo: say done");
    const isOver = ({ data }: Event) => data.kind === "turn" && data.status === "ended";
    for (const task of tasks) await idle.until(task.id, isOver, 60_000);
  });

  test("continues with the next prompt after its server was killed", async () => {
    const task = await idle.createTask({ repository_url: newRemote() });
    await idle.turn(task, "demo: say the hills");
    await idle.until(task.id, rests);
    await idle.kill();
    await idle.start();
    expect(getAgentText(await idle.turn(task, "demo: recall"))).toContain("the hills");
  });
});
