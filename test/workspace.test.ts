import { rmSync } from "node:fs";
import { join } from "node:path";
import { api, type RunnerView, runnerApi } from "@wharf/contract";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { workspaceArchives } from "./conformance/parts/workspace/archives.ts";
import { workspaceFiles } from "./conformance/parts/workspace/files.ts";
import { workspacePrograms } from "./conformance/parts/workspace/programs.ts";
import { openTaskWorkspace, type TaskWorkspace } from "./conformance/parts/workspace/task-workspace.ts";
import { taskWorkspace } from "./conformance/parts/workspace/workspace.ts";
import { eventually } from "./support/eventually.ts";
import { createRepository } from "./support/repository.ts";
import { createScratchFolder, ServerHarness } from "./support/server-harness.ts";
import { WorkspaceRequests } from "./support/workspace-requests.ts";

/** The workspaces of a task and of a standalone runner, through the API. */
let folder: string;
let wharf: ServerHarness;
let runner: RunnerView;
let ofTask: TaskWorkspace;
let ofRunner: WorkspaceRequests;

beforeAll(async () => {
  folder = createScratchFolder();
  wharf = new ServerHarness(folder, { WHARF_LOCAL_UNSAFE: "1" });
  await wharf.start();
  const created = wharf.client.call(runnerApi.createRunner, {
    query: { wait: "true" },
    body: { environment: { GREETING: "hello" } },
  });
  ofTask = await openTaskWorkspace(wharf, createRepository(join(folder, "remote")));
  runner = await created;
  ofRunner = new WorkspaceRequests(wharf, `/api/v1/runners/${runner.id}/workspace`);
});
afterAll(async () => {
  await wharf[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

describe("in the workspace of a task", () => {
  taskWorkspace(() => ofTask);
});

describe("in the workspace of a standalone runner", () => {
  workspaceFiles(() => ofRunner);
  workspaceArchives(() => ofRunner);
  workspacePrograms(() => ofRunner);

  test("commands have the environment of the runner", async () => {
    const ran = await ofRunner.client.call(ofRunner.routes.execOnce, { body: { command: "echo $GREETING" } });
    expect(ran).toMatchObject({ stdout: "hello\n" });
  });

  test("there is no git of Wharf, and it says so", async () => {
    const refused = ofRunner.client.call(ofRunner.routes.gitStatus, {});
    await expect(refused).rejects.toMatchObject({ code: "workspace_not_cloned" });
  });
});

describe("the changes of one turn", () => {
  test("are compared while it runs, afterwards, and without its runner", async () => {
    const { client } = wharf;
    const own = await wharf.createTask({ repository_url: join(folder, "remote") });
    const { routes } = new WorkspaceRequests(wharf, `/api/v1/tasks/${own.id}/workspace`);
    const getPaths = async (turn: string) => {
      const compared = await Promise.all([
        client.call(api.getTaskDiff, { params: { task_id: own.id }, query: { turn } }),
        client.call(routes.gitDiff, { query: { turn } }),
      ]);
      const [ofTurn, inWorkspace] = compared.map(({ files, patch }) => ({
        files: files.map(({ path }) => path),
        patch,
      }));
      expect(ofTurn).toEqual(inWorkspace);
      return ofTurn?.files;
    };
    await wharf.turn(own, "demo: write one.txt 1");
    await client.call(routes.writeFile, { body: { path: "between.txt", content: "by a person" } });
    await client.call(routes.gitCommit, { body: { message: "Between the turns" } });
    await wharf.turn(own, "demo: write two.txt 2");
    await wharf.turn(own, "demo: say nothing else");
    await client.call(api.promptTask, {
      params: { task_id: own.id },
      body: { text: "demo: write four.txt 4\ndemo: run sleep 600" },
    });
    // Two requests may see the turn before and after it writes, so that only one waits for that.
    const last = { params: { task_id: own.id }, query: { turn: "last" } };
    const getLastPaths = async () => (await client.call(api.getTaskDiff, last)).files.map(({ path }) => path);
    await eventually(getLastPaths, ["four.txt"]);
    for (const [turn, paths] of [
      ["1", ["one.txt"]],
      ["2", ["two.txt"]],
      ["3", []],
      ["4", ["four.txt"]],
    ] as const)
      expect(await getPaths(turn)).toEqual(paths);
    const { turns } = await client.call(api.listTaskTurns, { params: { task_id: own.id } });
    expect(await getPaths(`${turns[1]?.id}`)).toEqual(["two.txt"]);
    expect(turns.map(({ state }) => state)).toEqual(["ENDED", "ENDED", "ENDED", "RUNNING"]);
    expect(turns[2]).toMatchObject({ base_commit_sha: turns[1]?.commit_sha });
    const narrowed = { params: { task_id: own.id }, query: { turn: "2", path: "one.txt" } };
    expect(await client.call(api.getTaskDiff, narrowed)).toMatchObject({ files: [], patch: "" });
    for (const turn of ["5", own.id]) await expect(getPaths(turn)).rejects.toMatchObject({ code: "turn_not_found" });
    await client.call(api.setTaskState, { params: { task_id: own.id }, body: { state: "CANCELLED" } });
    const listRuns = () => client.call(api.listTaskAgents, { params: { task_id: own.id } });
    await eventually(async () => (await listRuns()).agents[0]?.status, "STOPPED");
    const after = { params: { task_id: own.id }, query: { turn: "2", stat: "true" } };
    expect(await client.call(api.getTaskDiff, after)).toMatchObject({ files: [{ path: "two.txt" }], patch: "" });
  });
});
