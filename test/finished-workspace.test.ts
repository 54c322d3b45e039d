import { rmSync } from "node:fs";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { api, type Event } from "@wharf/contract";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { eventually } from "./support/eventually.ts";
import { createRepository } from "./support/repository.ts";
import { createScratchFolder, ServerHarness } from "./support/server-harness.ts";
import { WorkspaceRequests } from "./support/workspace-requests.ts";

/** Workspaces of tasks before the first run and after the last one. */
let folder: string;
let repository: string;
let wharf: ServerHarness;

beforeAll(async () => {
  folder = createScratchFolder();
  repository = createRepository(join(folder, "remote"));
  wharf = new ServerHarness(folder, { WHARF_LOCAL_UNSAFE: "1" });
  await wharf.start();
});
afterAll(async () => {
  await wharf[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

describe("the workspace of a task that is finished", () => {
  test("answers what it answered before, from the branch, and the rest is refused", async () => {
    const own = await wharf.createTask({ repository_url: repository });
    const requests = new WorkspaceRequests(wharf, `/api/v1/tasks/${own.id}/workspace`);
    const { client, routes } = requests;
    await wharf.turn(own, "demo: write made.txt by the agent");
    const write = (path: string, content: string, encoding: "utf8" | "base64" = "utf8") =>
      client.call(routes.writeFile, { body: { path, content, encoding } });
    await write("src/deep/a.txt", "one\ntwo\nthree");
    await write("src/b.bin", "AP8=", "base64");
    await write("src/new\nline.txt", "odd");
    const { commit } = await client.call(routes.gitCommit, { body: { message: "By a person" } });
    const isPushed = ({ data }: Event) => data.kind === "push" && data.sha === commit?.sha && data.status === "pushed";
    await wharf.until(own.id, isPushed);
    const file = "src/deep/a.txt";
    const readAll = async () => ({
      diff: await client.call(routes.gitDiff, { query: { turn: "1" } }),
      changed: await client.call(routes.gitDiffAgainstBase, { query: { path: "src" } }),
      files: await client.call(routes.gitFileChanges, { query: {} }),
      log: await client.call(routes.gitLog, { query: { limit: 2 } }),
      messages: await client.call(routes.gitCommitMessages, { query: {} }),
      commit: await client.call(routes.gitShow, { query: { revision: own.shadow_branch } }),
      old: await client.call(routes.gitFile, { query: { revision: own.shadow_branch, path: "src/b.bin" } }),
      branch: await client.call(routes.gitCurrentBranch, {}),
      newest: await client.call(routes.gitCurrentCommit, {}),
      status: await client.call(routes.gitStatus, {}),
      stats: await client.call(routes.fileStats, { body: { path: file } }),
      folder: await client.call(routes.listFolder, { body: { path: "src", limit: 2 } }),
      rest: await client.call(routes.listFolder, { body: { path: "./src/", after: "deep" } }),
      tree: (await requests.readLines(routes.listTree, { body: { path: "src", max_depth: 2 } }))
        .map((line) => JSON.stringify(line))
        .toSorted(),
      whole: await client.call(routes.readFile, { body: { path: file } }),
      lines: await client.call(routes.readFile, { body: { path: file, start_line: 2, end_line: 2 } }),
      bytes: await client.call(routes.readFile, { body: { path: "src/b.bin", offset: 1, length: 5 } }),
      download: await buffer((await requests.request(routes.download, { query: { path: "src/b.bin" } })).message),
    });
    // A branch has neither times nor sizes of folders.
    const normalize = (value: unknown): unknown =>
      JSON.parse(
        JSON.stringify(value, (key, one) => {
          if (key === "modified_at" || key === "etag") return undefined;
          return one?.type === "directory" ? { ...one, size_bytes: 0 } : one;
        }),
      );
    const before = await readAll();
    await client.call(api.setTaskState, { params: { task_id: own.id }, body: { state: "COMPLETED" } });
    const listRuns = () => client.call(api.listTaskAgents, { params: { task_id: own.id } });
    await eventually(async () => (await listRuns()).agents[0]?.status, "COMPLETED");
    expect(normalize(await readAll())).toEqual(normalize(before));

    for (const path of ["../outside", "/etc/passwd", "src/../../x"])
      await expect(client.call(routes.readFile, { body: { path } })).rejects.toMatchObject({ code: "path_outside" });
    const missing = client.call(routes.readFile, { body: { path: "src/none" } });
    await expect(missing).rejects.toMatchObject({ code: "file_not_found" });
    for (const refused of [
      () => write("late.txt", "late"),
      () => client.call(routes.execOnce, { body: { command: "true" } }),
      () => client.call(routes.gitCommit, { body: {} }),
    ])
      await expect(refused()).rejects.toMatchObject({ code: "workspace_closed" });
  });
});

describe("a task without a workspace", () => {
  test("is refused with the next step", async () => {
    const fresh = await wharf.createTask({ repository_url: repository });
    const requests = new WorkspaceRequests(wharf, `/api/v1/tasks/${fresh.id}/workspace`);
    const list = () => requests.client.call(requests.routes.listFolder, { body: {} });
    await expect(list()).rejects.toMatchObject({ code: "workspace_missing" });
    await wharf.turn(fresh, "demo: say hello");
    expect((await list()).entries.map(({ name }) => name)).toContain(".git");
    await wharf.client.call(api.setTaskState, { params: { task_id: fresh.id }, body: { state: "COMPLETED" } });
    const body = { path: "made.txt", content: "late" };
    const getRefusal = () =>
      requests.client.call(requests.routes.writeFile, { body }).then(
        () => undefined,
        ({ code }) => code,
      );
    await eventually(getRefusal, "workspace_closed");
    await wharf.turn(fresh, "demo: say again");
    expect((await list()).entries.map(({ name }) => name)).toContain(".git");
  });
});
