import { rmSync } from "node:fs";
import { join } from "node:path";
import { type RunnerView, runnerApi, type Task } from "@wharf/contract";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createRepository } from "./support/repository.ts";
import { createScratchFolder, ServerHarness } from "./support/server-harness.ts";
import { WorkspaceRequests } from "./support/workspace-requests.ts";

/** The workspaces of a task and of a standalone runner, through the API. */
let folder: string;
let wharf: ServerHarness;
let task: Task;
let runner: RunnerView;
let ofTask: WorkspaceRequests;
let ofRunner: WorkspaceRequests;

beforeAll(async () => {
  folder = createScratchFolder();
  wharf = new ServerHarness(folder, { WHARF_LOCAL_UNSAFE: "1" });
  await wharf.start();
  task = await wharf.createTask({ repository_url: createRepository(join(folder, "remote")) });
  const created = wharf.client.call(runnerApi.createRunner, {
    query: { wait: "true" },
    body: { environment: { GREETING: "hello" } },
  });
  await wharf.turn(task, "demo: write made.txt by the agent");
  runner = await created;
  ofTask = new WorkspaceRequests(wharf, `/api/v1/tasks/${task.id}/workspace`);
  ofRunner = new WorkspaceRequests(wharf, `/api/v1/runners/${runner.id}/workspace`);
});
afterAll(async () => {
  await wharf[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

describe.each([
  ["a task", () => ofTask],
  ["a standalone runner", () => ofRunner],
] as const)("in the workspace of %s", (_, getWorkspace) => {
  // S-005 S-015 S-016 S-019
  test("files are written, described, read by lines, listed, replaced in and deleted", async () => {
    const { client, routes } = getWorkspace();
    const content = "one\ntwo\nthree\n";
    const written = await client.call(routes.writeFile, { body: { path: "files/a.txt", content } });
    expect(written).toMatchObject({ path: "files/a.txt", created: true, size_bytes: 14 });
    expect(await client.call(routes.fileStats, { body: { path: "files/a.txt" } })).toMatchObject({ type: "file" });
    const lines = { path: "files/a.txt", start_line: 2, end_line: 2 };
    expect(await client.call(routes.readFile, { body: lines })).toMatchObject({ content: "two\n", total_lines: 3 });
    const replaced = { path: "files/a.txt", search: "two", replace: "2" };
    expect(await client.call(routes.replaceText, { body: replaced })).toMatchObject({ replaced: 1 });
    const page = await client.call(routes.listFolder, { body: { path: "files" } });
    expect(page.entries).toMatchObject([{ name: "a.txt", type: "file" }]);
    const tree = await getWorkspace().readLines(routes.listTree, { body: { path: "files" } });
    expect(tree).toEqual([
      { type: "file", path: "files/a.txt" },
      { type: "end", count: 1, truncated: false },
    ]);
    const removed = { path: "files", recursive: true };
    expect(await client.call(routes.deletePath, { body: removed })).toEqual({ path: "files", deleted: 2 });
    await expect(client.call(routes.readFile, { body: lines })).rejects.toMatchObject({ code: "file_not_found" });
  });

  test("nothing outside is reached, and a body that is not valid is refused before the runner", async () => {
    const { client, routes } = getWorkspace();
    for (const path of ["../outside", "/etc/passwd"])
      await expect(client.call(routes.readFile, { body: { path } })).rejects.toMatchObject({ code: "path_outside" });
    const reversed = { path: "x", start_line: 3, end_line: 2 };
    await expect(client.call(routes.readFile, { body: reversed })).rejects.toMatchObject({ code: "bad_request" });
  });

  test("files are found by name and by content", async () => {
    const { client, routes } = getWorkspace();
    await client.call(routes.writeFile, { body: { path: "search/deep/needle.txt", content: "hay\nfind me\n" } });
    const { matches } = await client.call(routes.searchNames, { body: { query: "ndl" } });
    expect(matches[0]).toMatchObject({ path: "search/deep/needle.txt" });
    const found = await getWorkspace().readLines(routes.searchContents, { body: { pattern: "FIND", case: "smart" } });
    expect(found).toMatchObject([{ type: "end", matches: 0 }]);
    const lines = await getWorkspace().readLines(routes.searchContents, { body: { pattern: "find me" } });
    expect(lines).toMatchObject([{ type: "match", path: "search/deep/needle.txt", line: 2 }, { type: "end" }]);
  });
});
