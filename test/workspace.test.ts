import { execFileSync } from "node:child_process";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { api, type Event, type RunnerView, runnerApi, type Task } from "@wharf/contract";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { eventually } from "./support/eventually.ts";
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
  // S-015 S-016
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

  // S-021
  test("commands run in the foreground with the runner's environment, and in the background by offset", async () => {
    const { client, routes } = getWorkspace();
    const ran = await client.call(routes.execOnce, { body: { command: "echo $GREETING; exit 3" } });
    expect(ran).toMatchObject({ exit_code: 3, stdout: getWorkspace() === ofRunner ? "hello\n" : "\n" });
    const streamed = await getWorkspace().readLines(routes.exec, { body: { command: "echo out" } });
    expect(streamed).toMatchObject([
      { type: "stdout", data: "out\n" },
      { type: "exit", exit_code: 0 },
    ]);

    const body = { command: "echo ready; cat; sleep 60", stdin_open: true };
    const { command_id } = await client.call(routes.startCommand, { body });
    const params = { command_id };
    const follow = getWorkspace().follow(routes.followCommand, { params, query: {} });
    expect((await follow.next()).value).toMatchObject({ type: "stdout", data: "ready\n", offset: 0 });
    await client.call(routes.writeCommand, { params, body: { data: "typed\n", end: true } });
    expect((await follow.next()).value).toMatchObject({ data: "typed\n", offset: 6 });
    const again = { params, query: { after: 6, follow: "false" } };
    expect(await getWorkspace().readLines(routes.followCommand, again)).toMatchObject([{ data: "typed\n" }]);
    const { commands } = await client.call(routes.commands, {});
    expect(commands.find((one) => one.command_id === command_id)).toMatchObject({ state: "running", background: true });
    await client.call(routes.killCommand, { params, body: { signal: "SIGKILL" } });
    expect((await Array.fromAsync(follow)).at(-1)).toMatchObject({ type: "exit", signal: "SIGKILL" });
    expect(await client.call(routes.command, { params })).toMatchObject({ state: "exited" });
    await client.call(routes.removeCommand, { params });
    await expect(client.call(routes.command, { params })).rejects.toMatchObject({ code: "command_not_found" });
  });

  test("changes of files are streamed to everybody who watches", async () => {
    const { client, routes } = getWorkspace();
    const departure = new AbortController();
    const watchers = [1, 2].map(() => getWorkspace().follow(routes.watchChanges, {}, departure.signal));
    const seen = watchers.map(async (changes) => {
      for await (const change of changes) if (JSON.stringify(change).includes("watched-")) return change;
      return undefined;
    });
    const writing = setInterval(
      () => void client.call(routes.writeFile, { body: { path: `watched-${Date.now()}`, content: "x" } }),
      300,
    );
    for (const change of await Promise.all(seen))
      expect(change).toMatchObject({ kind: "fs_change", changes: [{ type: "file-created" }] });
    clearInterval(writing);
    departure.abort();
    expect(await client.call(routes.watcherStatus, {})).toMatchObject({ status: "watching" });
    expect(await client.call(routes.watcherPause, {})).toMatchObject({ status: "paused" });
    expect(await client.call(routes.watcherResume, {})).toMatchObject({ status: "watching" });
  });

  // S-075 S-076 S-077
  test("terminals are started, typed into, read, measured, cleared and removed", async () => {
    const { client, routes } = getWorkspace();
    const { terminal_id } = await client.call(routes.createTerminal, { body: { command: "cat" } });
    const params = { terminal_id };
    await client.call(routes.typeTerminal, { params, body: { viewer_id: "one", data: "hello\r" } });
    const stream = getWorkspace().follow(routes.streamTerminal, { params, query: {} });
    let shown = "";
    for await (const event of stream) {
      shown += JSON.stringify(event);
      if (shown.split("hello").length > 2) break;
    }
    const query = { terminal_id };
    expect(await client.call(routes.terminalStats, { query })).toMatchObject({ state: "running" });
    const sse = await getWorkspace().request(routes.streamConsole, { query: { ...query, format: "sse" } });
    expect(sse.message.headers["content-type"]).toContain("text/event-stream");
    sse.message.destroy();
    await client.call(routes.resizeTerminal, { params, body: { cols: 100, rows: 30 } });
    expect(await client.call(routes.clearTerminal, { body: query })).toMatchObject({ terminal_id });
    const { entries } = await client.call(routes.terminalHistory, { query });
    expect(JSON.stringify(entries)).not.toContain("hello");
    expect(await client.call(routes.killTerminal, { params })).toMatchObject({ terminal_id });
    expect((await client.call(routes.terminals, {})).terminals.map((one) => one.terminal_id)).toContain(terminal_id);
    await client.call(routes.removeTerminal, { params });
    await expect(client.call(routes.terminal, { params })).rejects.toMatchObject({ code: "terminal_not_found" });
  });

  test("folders are created, and files and folders are moved and copied, without replacing anything unasked", async () => {
    const { client, routes } = getWorkspace();
    const write = (path: string, content: string) => client.call(routes.writeFile, { body: { path, content } });
    const read = async (path: string) => (await client.call(routes.readFile, { body: { path } })).content;
    const created = { body: { path: "move/empty/deep" } };
    expect(await client.call(routes.createFolder, created)).toEqual({ path: "move/empty/deep", created: true });
    expect(await client.call(routes.createFolder, created)).toMatchObject({ created: false });
    await write("move/a", "a");
    await write("move/b", "b");
    const toB = { path: "move/a", to: "move/b" };
    await expect(client.call(routes.movePath, { body: toB })).rejects.toMatchObject({ code: "file_already_exists" });
    await expect(client.call(routes.copyPath, { body: toB })).rejects.toMatchObject({ code: "file_already_exists" });
    expect(await client.call(routes.copyPath, { body: { ...toB, overwrite: true } })).toMatchObject({ files: 1 });
    expect([await read("move/a"), await read("move/b")]).toEqual(["a", "a"]);
    await client.call(routes.movePath, { body: { path: "move/b", to: "move/empty/c" } });
    const copied = await client.call(routes.copyPath, { body: { path: "move", to: "copied" } });
    expect(copied).toMatchObject({ to: "copied", files: 2, folders: 3 });
    expect(await read("copied/empty/c")).toBe("a");
    for (const call of [routes.movePath, routes.copyPath]) {
      const inside = client.call(call, { body: { path: "move", to: "move/empty/itself" } });
      await expect(inside).rejects.toMatchObject({ code: "bad_request" });
      const outside = client.call(call, { body: { path: "move", to: "../outside" } });
      await expect(outside).rejects.toMatchObject({ code: "path_outside" });
    }
    await client.call(routes.movePath, { body: { path: "copied", to: "moved/again" } });
    expect(await read("moved/again/a")).toBe("a");
    await expect(read("copied/a")).rejects.toMatchObject({ code: "file_not_found" });
  });

  test("of several people who change one version of a file, only one does, and the others get a conflict", async () => {
    const { client, routes } = getWorkspace();
    const { etag } = await client.call(routes.writeFile, { body: { path: "shared", content: "0", overwrite: true } });
    expect(etag).toMatch(/^"[\w-]+"$/);
    const write = (content: string, if_match?: string) =>
      client.call(routes.writeFile, { body: { path: "shared", content, ...(if_match && { if_match }) } });
    const ends = await Promise.allSettled(["1", "2", "3", "4"].map((content) => write(content, etag)));
    expect(ends.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    const refused = ends.flatMap((end) => (end.status === "rejected" ? [end.reason] : []));
    expect(refused.map(({ code }) => code)).toEqual(["file_changed", "file_changed", "file_changed"]);

    const { content, etag: second } = await client.call(routes.readFile, { body: { path: "shared" } });
    expect(["1", "2", "3", "4"]).toContain(content);
    const stale = { path: "shared", if_match: etag };
    for (const call of [
      () => client.call(routes.deletePath, { body: stale }),
      () => client.call(routes.replaceText, { body: { ...stale, search: content, replace: "x" } }),
      () => getWorkspace().upload("shared", "x", { "if-match": etag ?? "" }),
    ])
      await expect(call()).rejects.toMatchObject({ code: "file_changed" });
    const download = await getWorkspace().request(routes.download, { query: { path: "shared" } });
    expect(download.message.headers.etag).toBe(second);
    expect(await getWorkspace().upload("shared", "third", { "if-match": second ?? "" })).toMatchObject({
      size_bytes: 5,
    });
    // A change in place, as a program in the runner makes it, is another version too.
    const { etag: third } = await client.call(routes.fileStats, { body: { path: "shared" } });
    await client.call(routes.execOnce, { body: { command: "printf other > shared" } });
    await expect(write("late", third)).rejects.toMatchObject({ code: "file_changed" });
    expect(await client.call(routes.readFile, { body: { path: "shared" } })).toMatchObject({ content: "other" });
  });
});

describe("git in the workspace of a task", () => {
  const status = async () => {
    const { files } = await ofTask.client.call(ofTask.routes.gitStatus, {});
    return files.map(({ path }) => path).filter((path) => path.startsWith("git/"));
  };
  const write = (path: string, content: string) =>
    ofTask.client.call(ofTask.routes.writeFile, { body: { path, content } });

  // S-025
  test("changes are listed, compared, committed, delivered and shown", async () => {
    const { client, routes } = ofTask;
    await write("git/a.txt", "one\n");
    expect(await status()).toEqual(["git/a.txt"]);
    const { patch } = await client.call(routes.gitDiff, { query: { path: "git" } });
    expect(patch).toContain("+one");
    const { commit } = await client.call(routes.gitCommit, { body: { message: "Add a by hand" } });
    expect(commit).toMatchObject({ message: "Add a by hand", branch: task.shadow_branch });
    expect(await client.call(routes.gitCommit, { body: {} })).toEqual({});
    const isDelivery = ({ data }: Event) => data.kind === "push" && data.sha === commit?.sha;
    const events = await wharf.until(task.id, isDelivery);
    expect(events.find(isDelivery)?.data).toMatchObject({ status: "pushed" });

    const { commits } = await client.call(routes.gitLog, { query: { limit: 2 } });
    expect(commits.map(({ subject }) => subject)[0]).toBe("Add a by hand");
    const shown = await client.call(routes.gitShow, { query: { revision: commit?.sha ?? "" } });
    expect(shown).toMatchObject({ commit: { sha: commit?.sha } });
    expect(shown.files.find(({ path }) => path === "git/a.txt")).toMatchObject({ change: "added", additions: 1 });
    await write("git/a.txt", "two\n");
    const old = { query: { revision: task.shadow_branch, path: "git/a.txt" } };
    expect(await client.call(routes.gitFile, old)).toMatchObject({ content: "one\n", encoding: "utf8" });
    await expect(client.call(routes.gitFile, { query: { ...old.query, path: "git/none" } })).rejects.toMatchObject({
      code: "file_not_found",
    });
    const { branches } = await client.call(routes.gitBranches, { query: {} });
    expect(branches.find(({ current }) => current)).toMatchObject({ name: task.shadow_branch, sha: commit?.sha });
    expect(branches.map(({ kind, name }) => `${kind} ${name}`)).toContain("remote main");
    const between = { query: { base: commits[1]?.sha, head: commit?.sha, path: "git/a.txt" } };
    expect((await client.call(routes.gitDiff, between)).patch).toContain("+one");
  });

  // S-028 S-029
  test("the work since the task's start is described, another commit is checked out, and the author is set", async () => {
    const { client, routes } = ofTask;
    await client.call(routes.gitCommit, { body: { message: "All of it" } });
    const head = await client.call(routes.gitCurrentCommit, {});
    expect(await client.call(routes.gitCurrentBranch, {})).toEqual({ branch: task.shadow_branch });
    const { messages } = await client.call(routes.gitCommitMessages, { query: {} });
    expect(messages[0]).toMatchObject({ sha: head.sha });
    const changes = await client.call(routes.gitFileChanges, { query: {} });
    expect(changes.files.map(({ path }) => path)).toContain("made.txt");
    const diff = await client.call(routes.gitDiffAgainstBase, { query: { path: "made.txt" } });
    expect(diff).toMatchObject({ base: changes.base, patch: expect.stringContaining("+by the agent") });
    const revision = `${head.parents[0]}`;
    expect(await client.call(routes.gitCheckout, { body: { revision } })).toEqual({ head: revision });
    const back = await client.call(routes.gitCheckout, { body: { revision: task.shadow_branch } });
    expect(back).toEqual({ branch: task.shadow_branch, head: head.sha });
    await client.call(routes.gitConfig, { body: { user_name: "Ada", user_email: "ada@example.org" } });
    const author = await client.call(routes.execOnce, { body: { command: "git config user.email" } });
    expect(author.stdout).toBe("ada@example.org\n");
  });

  // S-024
  test("a commit that a person makes with git is delivered on request", async () => {
    const { client, routes } = ofTask;
    await client.call(routes.gitCommit, { body: { message: "Everything before" } });
    const command = "echo mine > mine.txt && git add mine.txt && git commit -qm 'By hand' && git rev-parse HEAD";
    const { stdout } = await client.call(routes.execOnce, { body: { command } });
    const sha = stdout.trim();
    const push = { branch: task.shadow_branch, sha };
    expect(await client.call(routes.gitPush, {})).toEqual({ ...push, status: "pending" });
    await wharf.until(task.id, ({ data }) => data.kind === "push" && data.sha === sha && data.status === "pushed");
    expect(await client.call(routes.gitPush, {})).toEqual({ ...push, status: "pushed" });
    const remote = execFileSync("git", ["rev-parse", task.shadow_branch], { cwd: join(folder, "remote") });
    expect(remote.toString().trim()).toBe(sha);
  });

  test("changes of some files, or of all, are discarded", async () => {
    const { client, routes } = ofTask;
    await client.call(routes.gitCommit, { body: { message: "Everything so far" } });
    await write("git/a.txt", "changed\n");
    await write("git/new.txt", "new\n");
    await client.call(routes.deletePath, { body: { path: "made.txt" } });
    const one = await client.call(routes.gitRestore, { body: { paths: ["made.txt"] } });
    expect(one).toEqual({ restored: ["made.txt"], deleted: [], truncated: false });
    expect(await status()).toEqual(["git/a.txt", "git/new.txt"]);
    expect(await client.call(routes.gitRestore, { body: {} })).toMatchObject({ restored: ["git/a.txt"] });
    const all = await client.call(routes.gitRestore, { body: { untracked: true } });
    expect(all).toMatchObject({ restored: [], deleted: ["git/new.txt"] });
    expect(await status()).toEqual([]);
    const [last] = (await client.call(routes.gitLog, { query: { path: "git/a.txt", limit: 10 } })).commits.slice(-1);
    const base = `${last?.parents[0]}`;
    const undone = await client.call(routes.gitRestore, { body: { paths: ["git/a.txt"], from: base } });
    expect(undone.restored).toEqual(["git/a.txt"]);
    await expect(client.call(routes.readFile, { body: { path: "git/a.txt" } })).rejects.toMatchObject({
      code: "file_not_found",
    });
    await client.call(routes.gitRestore, { body: {} });
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

describe("a standalone runner", () => {
  test("has no git of Wharf, and says so", async () => {
    const refused = ofRunner.client.call(ofRunner.routes.gitStatus, {});
    await expect(refused).rejects.toMatchObject({ code: "workspace_not_cloned" });
  });
});
