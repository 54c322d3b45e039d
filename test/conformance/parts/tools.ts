import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import {
  daemonApi,
  execApi,
  type ExecEvent,
  filesApi,
  gitApi,
  searchApi,
  type SearchLine,
  type TreeLine,
  watchApi,
} from "@wharf/contract";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createRepository } from "../../support/repository.ts";
import type { BackendUnderTest } from "../backend-under-test.ts";
import { ConformanceHarness, type Runner } from "../conformance-harness.ts";
import { ports } from "./ports.ts";

/** Tests the actions of people and programs in a workspace. */
export function tools(under: BackendUnderTest): void {
  let harness: ConformanceHarness;
  let runner: Runner;
  beforeAll(async () => {
    harness = await ConformanceHarness.open(under);
    runner = await harness.runner();
  });
  afterAll(() => harness[Symbol.asyncDispose]());

  const lines = async <T>(stream: AsyncIterable<unknown>): Promise<T[]> => (await Array.fromAsync(stream)) as T[];

  describe("ports", () => {
    ports(() => runner);
  });

  describe("files", () => {
    test("written files are read whole and by ranges of lines and bytes", async () => {
      const { client } = runner;
      const content = "one\ntwo\nthree\n";
      const written = await client.call(filesApi.writeFile, { body: { path: "a/b/c.txt", content } });
      expect(written).toMatchObject({ path: "a/b/c.txt", type: "file", size_bytes: content.length, created: true });
      const read = (body: object) => client.call(filesApi.readFile, { body: { path: "a/b/c.txt", ...body } });
      expect(await read({})).toMatchObject({ content, encoding: "utf8", end_of_file: true });
      expect(await read({ start_line: 2, end_line: 2 })).toMatchObject({
        content: "two\n",
        offset: 4,
        end_of_file: false,
      });
      expect(await read({ offset: 4, length: 3 })).toMatchObject({ content: "two", end_of_file: false });
      expect((await runner.exec("cat a/b/c.txt")).stdout).toBe(content);
      const again = { path: "a/b/c.txt", content: "", overwrite: false };
      await expect(client.call(filesApi.writeFile, { body: again })).rejects.toMatchObject({
        code: "file_already_exists",
      });
    });

    test("bytes that are not text are returned unchanged", async () => {
      const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
      const body = { path: "bytes", content: bytes.toString("base64"), encoding: "base64" as const };
      await runner.client.call(filesApi.writeFile, { body });
      const read = await runner.client.call(filesApi.readFile, { body: { path: "bytes" } });
      expect(read.encoding).toBe("base64");
      expect(Buffer.from(read.content, "base64").equals(bytes)).toBe(true);
    });

    test.for(["../outside", "/etc/passwd", "a/../../x"])(
      "nothing outside the workspace is touched: %s",
      async (path) => {
        for (const call of [
          () => runner.client.call(filesApi.readFile, { body: { path } }),
          () => runner.client.call(filesApi.writeFile, { body: { path, content: "x" } }),
          () => runner.client.call(filesApi.deletePath, { body: { path } }),
          () => runner.client.call(filesApi.listFolder, { body: { path } }),
        ])
          await expect(call()).rejects.toMatchObject({ code: "path_outside" });
      },
    );

    test("folders are listed by page and recursively; files are deleted and replaced", async () => {
      const { client } = runner;
      for (const path of ["list/b", "list/a", "list/d/e"]) {
        const body = { path, content: "x" };
        await client.call(filesApi.writeFile, { body });
      }
      const first = await client.call(filesApi.listFolder, { body: { path: "list", limit: 2 } });
      expect(first.entries.map(({ name, type }) => [name, type])).toEqual([
        ["a", "file"],
        ["b", "file"],
      ]);
      const after = first.next;
      if (after === undefined) throw new Error("there is no second page");
      const rest = await client.call(filesApi.listFolder, { body: { path: "list", after } });
      expect(rest.entries.map(({ name, type }) => [name, type])).toEqual([["d", "directory"]]);
      const tree = await lines<TreeLine>(client.stream(filesApi.listTree, { body: { path: "list" } }));
      expect(tree.flatMap((line) => ("path" in line ? [line.path] : [])).toSorted()).toEqual([
        "list/a",
        "list/b",
        "list/d",
        "list/d/e",
      ]);
      expect(tree.at(-1)).toEqual({ type: "end", count: 4, truncated: false });
      await expect(client.call(filesApi.deletePath, { body: { path: "list" } })).rejects.toMatchObject({
        code: "folder_not_empty",
      });
      await client.call(filesApi.deletePath, { body: { path: "list", recursive: true } });
      await expect(client.call(filesApi.fileStats, { body: { path: "list/a" } })).rejects.toMatchObject({
        code: "file_not_found",
      });
      await client.call(filesApi.writeFile, { body: { path: "r", content: "a b a" } });
      const replace = { path: "r", search: "a", replace: "c" };
      await expect(client.call(filesApi.replaceText, { body: replace })).rejects.toMatchObject({ code: "bad_request" });
      const done = await client.call(filesApi.replaceText, { body: { ...replace, must_match_once: false } });
      expect(done.replaced).toBe(2);
      expect((await client.call(filesApi.readFile, { body: { path: "r" } })).content).toBe("c b c");
    });
  });

  describe("search", () => {
    test("names match by a few characters, contents by text and expression", async () => {
      const { client } = runner;
      for (const [path, content] of [
        ["s/main-window.ts", "let x = 1;\n// find me\n"],
        ["s/other.md", "Find me too\n"],
      ] as const)
        await client.call(filesApi.writeFile, { body: { path, content } });
      const { matches } = await client.call(searchApi.searchNames, { body: { query: "mwin", path: "s" } });
      expect(matches[0]?.path).toBe("s/main-window.ts");
      const grep = async (body: { pattern: string; case?: "insensitive"; mode?: "regex" }) =>
        (await lines<SearchLine>(client.stream(searchApi.searchContents, { body: { path: "s", ...body } }))).flatMap(
          (line) => (line.type === "match" ? [`${line.path}:${line.line}:${line.column}`] : []),
        );
      expect(await grep({ pattern: "find me" })).toEqual(["s/main-window.ts:2:4"]);
      expect((await grep({ pattern: "find me", case: "insensitive" })).toSorted()).toEqual([
        "s/main-window.ts:2:4",
        "s/other.md:1:1",
      ]);
      expect(await grep({ pattern: "x = \\d", mode: "regex" })).toEqual(["s/main-window.ts:1:5"]);
    });
  });

  describe("commands in the background", () => {
    test("a command continues without a reader, and readers follow it from any offset, repeatedly", async () => {
      const { client } = runner;
      const command_id = randomUUID();
      const body = { command: "echo one; sleep 0.3; echo two; exit 3", command_id };
      expect(await client.call(execApi.startCommand, { body })).toEqual({ command_id, duplicate: false });
      expect(await client.call(execApi.startCommand, { body })).toEqual({ command_id, duplicate: true });
      await runner.hangUp();
      const follow = (after: number) =>
        lines<ExecEvent>(client.stream(execApi.followCommand, { params: { command_id }, query: { after } }));
      const all = await follow(0);
      const text = (events: ExecEvent[]) => events.map((event) => (event.type === "stdout" ? event.data : "")).join("");
      expect(text(all)).toBe("one\ntwo\n");
      expect(all.at(-1)).toMatchObject({ type: "exit", exit_code: 3 });
      expect(text(await follow(4))).toBe("two\n");
      const info = await client.call(execApi.command, { params: { command_id } });
      expect(info).toMatchObject({ state: "exited", exit_code: 3, output: { first: 0, end: 8 } });
      await client.call(execApi.removeCommand, { params: { command_id } });
      await expect(client.call(execApi.command, { params: { command_id } })).rejects.toMatchObject({
        code: "command_not_found",
      });
    });

    test("a command is killed by its id, and waiting for a command returns all its output", async () => {
      const { client } = runner;
      const { command_id } = await client.call(execApi.startCommand, { body: { command: "sleep 60" } });
      await client.call(execApi.killCommand, { params: { command_id }, body: { signal: "SIGTERM" } });
      const events = await lines<ExecEvent>(
        client.stream(execApi.followCommand, { params: { command_id }, query: {} }),
      );
      expect(events.at(-1)).toMatchObject({ type: "exit", exit_code: null, signal: "SIGTERM" });
      const body = { command: "cat; echo err >&2; exit 4", stdin: "given" };
      const result = await client.call(execApi.execOnce, { body });
      expect(result).toMatchObject({ stdout: "given", stderr: "err\n", exit_code: 4, timed_out: false });
    });
  });

  // S-024 S-027
  describe("git for users", () => {
    test("status, diff, commit, log and push", async () => {
      const remote = createRepository(join(harness.folder, "remote"), { "a.txt": "a\n" });
      const shadow_branch = `shadow/task-${randomUUID()}`;
      const { repository_id } = await harness.mirrors.ensure(remote, {
        signal: AbortSignal.timeout(20_000),
        shadow_branch,
      });
      const worker = await harness.runner();
      worker.repository = { repository_id, shadow_branch };
      const { client } = worker;
      const who = { author_name: "Tester", author_email: "tester@localhost" };
      const cloned = await client.call(daemonApi.clone, {
        body: { remote_path: `/git/${repository_id}.git`, shadow_branch, ...who },
      });
      expect(await client.call(gitApi.gitStatus, {})).toMatchObject({
        branch: shadow_branch,
        head: cloned.head,
        clean: true,
      });
      await worker.exec("echo b > a.txt; echo new > n.txt");
      const { files } = await client.call(gitApi.gitStatus, {});
      expect(Object.entries(Object.fromEntries(files.map(({ path, unstaged }) => [path, unstaged])))).toEqual([
        ["a.txt", "modified"],
        ["n.txt", "untracked"],
      ]);
      const diff = await client.call(gitApi.gitDiff, { query: { path: "a.txt" } });
      expect(diff.files).toEqual([{ path: "a.txt", change: "modified", additions: 1, deletions: 1, binary: false }]);
      expect(diff.patch).toContain("-a\n+b\n");
      const { commit } = await client.call(gitApi.gitCommit, { body: { message: "By hand", ...who } });
      expect(commit).toMatchObject({ message: "By hand", parent: cloned.head, branch: shadow_branch, files: 2 });
      expect(await client.call(gitApi.gitCommit, { body: who })).toEqual({});
      const log = await client.call(gitApi.gitLog, { query: {} });
      expect(log.commits[0]).toMatchObject({ sha: commit?.sha, subject: "By hand", author_name: "Tester" });
      const since = await client.call(gitApi.gitDiffAgainstBase, { query: {} });
      expect(since.files.map(({ path, change }) => [path, change])).toEqual([
        ["a.txt", "modified"],
        ["n.txt", "added"],
      ]);
      const { messages } = await client.call(gitApi.gitCommitMessages, { query: {} });
      expect(messages.map(({ sha }) => sha)).toEqual([commit?.sha]);
      expect(await client.call(gitApi.gitCurrentBranch, {})).toEqual({ branch: shadow_branch });
      expect(await client.call(gitApi.gitPush, { body: {} })).toEqual({ branch: shadow_branch, sha: commit?.sha });
      expect(await harness.mirrors.head(repository_id, shadow_branch)).toBe(commit?.sha);
    });
  });

  // S-082, S-083, S-087
  describe("watch", () => {
    test("every change is reported, by any program, until the watch is paused", async () => {
      const { client } = runner;
      await runner.startAgent("run-w");
      while ((await client.call(watchApi.watcherStatus, {})).status === "starting") await sleep(20);
      const before = (await client.call(watchApi.watcherStatus, {})).reported;
      await runner.exec("echo x > watched.txt");
      for (let i = 0; i < 100 && (await client.call(watchApi.watcherStatus, {})).reported === before; i++)
        await sleep(20);
      const { reported } = await client.call(watchApi.watcherStatus, {});
      expect(reported).toBeGreaterThan(before);
      const told = (await runner.records()).flatMap(({ data }) => (data.kind === "fs_change" ? data.changes : []));
      expect(told).toContainEqual(expect.objectContaining({ type: "file-created", path: "watched.txt" }));
      expect((await client.call(watchApi.watcherPause, {})).status).toBe("paused");
      await runner.exec("echo y > unwatched.txt");
      await sleep(300);
      expect((await client.call(watchApi.watcherStatus, {})).reported).toBe(reported);
      expect((await client.call(watchApi.watcherResume, {})).status).toBe("watching");
    });
  });
}
