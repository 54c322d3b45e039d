import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { daemonApi, gitApi } from "@wharf/contract";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { git as hostGit, createRepository } from "../../support/repository.ts";
import type { BackendUnderTest } from "../backend-under-test.ts";
import { ConformanceHarness, type Runner } from "../conformance-harness.ts";

const author = { author_name: "Tester", author_email: "tester@localhost" };

export function git(under: BackendUnderTest): void {
  describe("git", () => {
    let harness: ConformanceHarness;
    let remote: string;
    let repository_id: string;
    const shadow_branch = `shadow/task-${randomUUID()}`;
    const body = () => ({ remote_path: `/git/${repository_id}.git`, shadow_branch, ...author });
    beforeAll(async () => {
      harness = await ConformanceHarness.open(under);
      const files = { "README.md": "# A sample\n", "src/a.txt": "one\ntwo\nthree\n", "src/b.txt": "b\n" };
      remote = createRepository(join(harness.folder, "remote"), files);
      hostGit(remote, "commit", "--quiet", "--allow-empty", "--message=Second");
      ({ repository_id } = await harness.mirrors.ensure(remote, {
        signal: AbortSignal.timeout(20_000),
        shadow_branch,
      }));
    });
    afterAll(() => harness[Symbol.asyncDispose]());

    async function getRunner(): Promise<Runner> {
      const runner = await harness.runner();
      runner.repository = { repository_id, shadow_branch };
      return runner;
    }

    // S-008, S-022, S-056, S-059, S-060, S-065
    test("a clone is the remote's tree on the shadow branch, and a second clone changes nothing", async () => {
      const runner = await getRunner();
      const head = hostGit(remote, "rev-parse", "HEAD");
      const cloned = await runner.client.call(daemonApi.clone, { body: body() });
      expect(cloned).toEqual({ base_branch: "main", base_commit_sha: head, head, resumed: false });
      expect((await runner.exec("cat README.md src/a.txt")).stdout).toBe("# A sample\none\ntwo\nthree\n");
      await runner.exec("echo more >> README.md");
      await expect(runner.client.call(daemonApi.clone, { body: body() })).resolves.toEqual(cloned);
      expect((await runner.exec("cat README.md")).stdout).toContain("more");
      expect((await runner.exec("git status --porcelain")).stdout).toBe(" M README.md\n");
      const { workspace } = await runner.client.call(daemonApi.health, {});
      expect(workspace).toEqual({ cloned: true, branch: shadow_branch, head });
      const other = { ...body(), shadow_branch: "shadow/other" };
      await expect(runner.client.call(daemonApi.clone, { body: other })).rejects.toMatchObject({
        code: "workspace_occupied",
      });
      await harness.backend.destroy(runner.id);
    });

    // S-024 S-027 S-061 S-064 S-066
    test("a turn's changes are one commit that can be compared, pushed, and continued by another runner", async () => {
      const runner = await getRunner();
      const { head: base } = await runner.client.call(daemonApi.clone, { body: body() });
      await runner.startAgent("run-1");
      const quiet = await runner.turn("run-1", "demo: say nothing changed");
      expect(quiet.some(({ data }) => data.kind === "commit")).toBe(false);
      const records = await runner.turn(
        "run-1",
        "demo: write src/a.txt one\\n2\\nthree\\n\ndemo: write new.txt new\\n",
      );
      const commit = records.find(({ data }) => data.kind === "commit")?.data;
      expect(commit).toMatchObject({ branch: shadow_branch, parent: base, files: 2, additions: 2, deletions: 1 });
      expect(records.at(-1)?.data.kind).toBe("turn");
      const sha = commit?.kind === "commit" ? commit.sha : "";

      await runner.exec("rm src/b.txt");
      const diff = await runner.client.call(daemonApi.gitDiff, { query: { base } });
      expect(diff).toMatchObject({ base, head: sha, truncated: false });
      expect(diff.files.map(({ path }) => path)).toEqual(["new.txt", "src/a.txt", "src/b.txt"]);
      expect(diff.patch).toContain("-two\n+2\n");

      await expect(runner.client.call(daemonApi.push, { body: { shadow_branch } })).resolves.toEqual({ sha });
      await expect(runner.client.call(daemonApi.push, { body: { shadow_branch } })).resolves.toEqual({ sha });
      expect(await harness.mirrors.head(repository_id, shadow_branch)).toBe(sha);
      const mirror = harness.mirrors.path(repository_id);
      expect(hostGit(mirror, "show", `${sha}:src/a.txt`)).toBe("one\n2\nthree");
      expect(hostGit(mirror, "log", "-1", "--format=%an <%ae>%n%B", sha)).toMatch(
        /^Tester <tester@localhost>\nWhat was asked\n[\s\S]*Co-authored-by: /,
      );
      hostGit(mirror, "fsck", "--strict", "--no-dangling");

      const next = await getRunner();
      const resumed = await next.client.call(daemonApi.clone, { body: body() });
      expect(resumed).toEqual({ base_branch: "main", base_commit_sha: base, head: sha, resumed: true });
      expect((await next.exec("cat new.txt src/b.txt")).stdout).toBe("new\nb\n");
    });

    test("a clone whose wire is cut continues over the next wire and never looks complete before its end", async () => {
      const runner = await getRunner();
      const clone = () => Array.fromAsync(runner.client.stream(gitApi.gitClone, { body: body() }));
      await runner.link();
      const cut = clone().catch((error: unknown) => [error]);
      await sleep(20);
      await runner.hangUp();
      expect((await cut).at(-1)).toSatisfy(
        (last: { type?: string; code?: string }) => last.type === "cloned" || last.code === "runner_unavailable",
      );
      expect((await clone()).at(-1)).toMatchObject({ type: "cloned", base_branch: "main" });
      expect(await runner.client.call(gitApi.gitStatus, {})).toMatchObject({ branch: shadow_branch, clean: true });
    });

    test("a missing branch and another owner's repository are refused", async () => {
      const runner = await getRunner();
      const missing = { ...body(), base_branch: "missing" };
      await expect(runner.client.call(daemonApi.clone, { body: missing })).rejects.toMatchObject({
        code: "branch_missing",
      });
      const stranger = await getRunner();
      const strange = { ...body(), remote_path: `/git/${"0".repeat(20)}.git` };
      await expect(stranger.client.call(daemonApi.clone, { body: strange })).rejects.toMatchObject({
        problem: { status: expect.any(Number) },
      });
      await expect(stranger.client.call(daemonApi.push, { body: { shadow_branch } })).rejects.toMatchObject({
        code: "revision_not_found",
      });
    });
  });
}
