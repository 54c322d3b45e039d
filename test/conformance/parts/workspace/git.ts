import { execFileSync } from "node:child_process";
import type { Event } from "@wharf/contract";
import { describe, expect, test } from "vitest";
import type { TaskWorkspace } from "./task-workspace.ts";

/** Tests git in the workspace of a task. */
export function workspaceGit(get: () => TaskWorkspace): void {
  describe("git", () => {
    const status = async () => {
      const { files } = await get().requests.client.call(get().requests.routes.gitStatus, {});
      return files.map(({ path }) => path).filter((path) => path.startsWith("git/"));
    };
    const write = (path: string, content: string) =>
      get().requests.client.call(get().requests.routes.writeFile, { body: { path, content } });

    // S-025
    test("changes are listed, compared, committed, delivered and shown", async () => {
      const { wharf, task, requests } = get();
      const { client, routes } = requests;
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
      const { task, requests } = get();
      const { client, routes } = requests;
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
      const { wharf, task, remote, requests } = get();
      const { client, routes } = requests;
      await client.call(routes.gitCommit, { body: { message: "Everything before" } });
      const command = "echo mine > mine.txt && git add mine.txt && git commit -qm 'By hand' && git rev-parse HEAD";
      const { stdout } = await client.call(routes.execOnce, { body: { command } });
      const sha = stdout.trim();
      const push = { branch: task.shadow_branch, sha };
      expect(await client.call(routes.gitPush, {})).toEqual({ ...push, status: "pending" });
      await wharf.until(task.id, ({ data }) => data.kind === "push" && data.sha === sha && data.status === "pushed");
      expect(await client.call(routes.gitPush, {})).toEqual({ ...push, status: "pushed" });
      const delivered = execFileSync("git", ["rev-parse", task.shadow_branch], { cwd: remote });
      expect(delivered.toString().trim()).toBe(sha);
    });

    test("changes of some files, or of all, are discarded", async () => {
      const { requests } = get();
      const { client, routes } = requests;
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
}
