import { chmod, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type EventDataByKind, gitApi, type GitCloneEvent } from "@wharf/contract";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createGitHandlers } from "../api/git-routes.ts";
import { Repository, turn, cloneInput } from "./fixtures/repository.ts";
import type { GitService } from "./index.ts";

let repository: Repository;
let git: GitService;
let api: ReturnType<typeof createGitHandlers>;
let committed: EventDataByKind<"commit">[];
const signal = new AbortController().signal;
const author = { author_name: "Ann", author_email: "ann@example.com" };

beforeEach(() => {
  repository = new Repository();
  git = repository.open();
  committed = [];
  api = createGitHandlers({
    git,
    onCommit: (commit) => Promise.resolve(void committed.push(commit)),
    onInternal: () => undefined,
  });
});
afterEach(() => repository[Symbol.dispose]());

const runTheirGit = (...args: string[]): string => repository.runGit(repository.source, ...args);
async function pushTheirChange(branch: string, name: string): Promise<string> {
  await writeFile(join(repository.source, name), "theirs\n");
  runTheirGit("add", ".");
  runTheirGit("commit", "-qm", `add ${name}`);
  runTheirGit("push", "-q", repository.bare, `HEAD:refs/heads/${branch}`);
  return runTheirGit("rev-parse", "HEAD");
}

// S-022
test("a clone reports its progress as it happens and ends with its result or its failure", async () => {
  const body = gitApi.gitClone.body.parse(cloneInput);
  const events = (await Array.fromAsync(await api.gitClone({ body }, signal))) as GitCloneEvent[];
  const main = repository.runGit(repository.bare, "rev-parse", "main");
  expect(events.at(-1)).toEqual({
    type: "cloned",
    base_branch: "main",
    base_commit_sha: main,
    head: main,
    resumed: false,
  });
  expect(events.slice(0, -1).map((event) => event.type === "progress" && event.phase)).toContain("receiving");
  const otherBody = { ...body, remote_path: "/git/other.git" };
  expect(await Array.fromAsync(await api.gitClone({ body: otherBody }, signal))).toEqual([
    { type: "failed", code: "workspace_occupied", message: expect.any(String), next: expect.any(String) },
  ]);
});

// S-022
test("a clone of a given depth has that many commits, and is deepened if the base is older", async () => {
  for (const name of ["b", "c", "d"]) await pushTheirChange("main", name);
  await git.clone({ ...cloneInput, depth: 1 });
  expect(repository.runAsAgent("rev-list", "--count", "HEAD")).toBe("1");
  await repository.write("mine", "x");
  const commitEvent = await git.commit(turn);
  expect(await git.push({ shadow_branch: cloneInput.shadow_branch })).toEqual({ sha: commitEvent?.sha });
  const base = runTheirGit("rev-parse", "HEAD");
  for (const name of ["e", "f"]) await pushTheirChange("main", name);
  await rm(repository.workspace, { recursive: true });
  await rm(join(repository.state, "checkout.json"));
  expect(await repository.open().clone({ ...cloneInput, depth: 1 })).toMatchObject({
    resumed: true,
    base_commit_sha: base,
  });
});

// S-064, S-066
test("an existing clone advances to newer commits of its branch, unless work would be lost or the remote is silent", async () => {
  await git.clone(cloneInput);
  await repository.write("mine", "x");
  const ownCommit = await git.commit(turn);
  await git.push({ shadow_branch: cloneInput.shadow_branch });
  runTheirGit("fetch", "-q", repository.bare, cloneInput.shadow_branch);
  runTheirGit("checkout", "-q", "FETCH_HEAD");
  const newer = await pushTheirChange(cloneInput.shadow_branch, "review.txt");
  await repository.write("a.txt", "not committed\n");
  expect(await git.clone(cloneInput)).toMatchObject({ head: ownCommit?.sha });
  repository.runAsAgent("checkout", "-q", "--", "a.txt");
  expect(await repository.open().clone(cloneInput)).toMatchObject({ head: newer });
  expect(await readFile(join(repository.workspace, "review.txt"), "utf8")).toBe("theirs\n");
  expect(await repository.open().commit(turn)).toBeUndefined();
  const remoteFolder = repository.bare;
  await rm(remoteFolder, { recursive: true });
  await expect(git.clone(cloneInput)).rejects.toMatchObject({ code: "repository_missing" });
});

test("the status lists staged, changed, conflicting, moved and untracked files, with any name", async () => {
  await git.clone(cloneInput);
  expect(await git.getTreeStatus()).toMatchObject({ branch: cloneInput.shadow_branch, clean: true, files: [] });
  await repository.write("staged file", "s");
  repository.runAsAgent("add", ".");
  await repository.write("staged file", "s2");
  repository.runAsAgent("mv", "a.txt", "folder with ü.txt");
  await repository.write("new/line\nname", "n");
  expect(await git.getTreeStatus()).toEqual({
    branch: cloneInput.shadow_branch,
    head: repository.runAsAgent("rev-parse", "HEAD"),
    clean: false,
    truncated: false,
    files: [
      { path: "folder with ü.txt", from_path: "a.txt", staged: "renamed" },
      { path: "staged file", staged: "added", unstaged: "modified" },
      { path: "new/line\nname", unstaged: "untracked" },
    ],
  });
  repository.runAsAgent("reset", "-q", "--hard");
  await repository.write("a.txt", "mine\n");
  repository.runAsAgent("commit", "-qam", "mine");
  await pushTheirChange("main", "a.txt");
  repository.runAsAgent("fetch", "-q", "origin");
  expect(() => repository.runAsAgent("merge", "-q", "origin/main")).toThrow();
  expect((await git.getTreeStatus()).files[0]).toEqual({ path: "a.txt", unstaged: "conflicted" });
});

// S-027 S-085
test("a diff covers the working tree against any commit or the base, one path, or only the figures", async () => {
  const { base_commit_sha: base } = await git.clone(cloneInput);
  await repository.write("b.txt", "b\n");
  await git.commit(turn);
  await repository.write("b.txt", "b\nmore\n");
  await repository.write("data/x.bin", Buffer.from([0, 1, 2, 255]));
  await chmod(join(repository.workspace, "a.txt"), 0o755);
  await symlink("a.txt", join(repository.workspace, "link"));
  const now = await api.gitDiff({ query: gitApi.gitDiff.query.parse({}) }, signal);
  expect(now.files).toEqual([
    { path: "a.txt", change: "modified", additions: 0, deletions: 0, binary: false },
    { path: "b.txt", change: "modified", additions: 1, deletions: 0, binary: false },
    { path: "data/x.bin", change: "added", additions: 0, deletions: 0, binary: true },
    { path: "link", change: "added", additions: 1, deletions: 0, binary: false },
  ]);
  const one = await api.gitDiffAgainstBase({ query: { path: "b.txt", stat: false } }, signal);
  expect(one).toMatchObject({ base, files: [{ path: "b.txt", change: "added", additions: 2 }] });
  expect(one.patch).toContain("+more");
  expect(one.patch).not.toContain("x.bin");
  expect((await api.gitDiff({ query: { base: "main", stat: true } }, signal)).patch).toBe("");
  expect((await api.gitFileChanges({ query: {} }, signal)).files.map(({ path }) => path)).toEqual([
    "a.txt",
    "b.txt",
    "data/x.bin",
    "link",
  ]);
  // A path is not a pattern.
  expect((await git.compare({ path: "*.txt" })).files).toEqual([]);
  await expect(git.compare({ base: "nope" })).rejects.toMatchObject({ code: "revision_not_found" });
});

test("requested commits carry author and co-author, are reported, and appear in the log", async () => {
  const { head } = await git.clone(cloneInput);
  await repository.write("b.txt", "b\n");
  const co_author = { name: "Cleo", email: "cleo@example.com" };
  const { commit } = await api.gitCommit({ body: { message: "Add b\n\nBecause.", ...author, co_author } }, signal);
  expect(await api.gitCommit({ body: { message: "again", ...author } }, signal)).toEqual({});
  for (const name of ["c", "d", "e", "f"]) await repository.write(`${name}.txt`, name);
  const unnamed = await api.gitCommit({ body: author }, signal);
  expect(unnamed.commit?.message).toBe("Change c.txt, d.txt, e.txt and 1 more");
  expect(committed).toEqual([commit, unnamed.commit]);
  const { commits, more } = await git.readLog({ limit: 2 });
  expect(more).toBe(true);
  expect(commits[1]).toMatchObject({
    sha: commit?.sha,
    parents: [head],
    ...author,
    subject: "Add b",
    body: "Because.\n\nCo-authored-by: Cleo <cleo@example.com>",
  });
  expect((await git.readLog({ limit: 10, skip: 2 })).commits.map(({ subject }) => subject)).toEqual(["first"]);
  expect((await git.readLog({ limit: 10, path: "b.txt" })).commits).toHaveLength(1);
  const { messages } = await api.gitCommitMessages({ query: { limit: 10 } }, signal);
  expect(messages.map(({ sha }) => sha)).toEqual([unnamed.commit?.sha, commit?.sha]);
  expect(await git.getCurrentCommit()).toMatchObject({ sha: unnamed.commit?.sha });
  expect(await api.gitCurrentBranch({}, signal)).toEqual({ branch: cloneInput.shadow_branch });
});

test("only commits of this repository are checked out, and uncommitted work is discarded only on demand", async () => {
  await git.clone(cloneInput);
  await repository.write("a.txt", "mine\n");
  await git.commit(turn);
  await repository.write("a.txt", "not committed\n");
  const main = repository.runGit(repository.bare, "rev-parse", "main");
  for (const revision of ["main", main])
    await expect(git.checkout({ revision, discard: false })).rejects.toMatchObject({ code: "uncommitted_changes" });
  expect(await readFile(join(repository.workspace, "a.txt"), "utf8")).toBe("not committed\n");
  for (const revision of ["elsewhere", "0123456789", "FETCH_HEAD", "a.txt"])
    await expect(git.checkout({ revision, discard: true })).rejects.toMatchObject({ code: "revision_not_found" });
  expect(await git.checkout({ revision: main.slice(0, 10), discard: true })).toEqual({ head: main });
  expect(await git.getCurrentBranch()).toBeUndefined();
  expect(await git.checkout({ revision: "main", discard: false })).toEqual({ branch: "main", head: main });
  expect(await readFile(join(repository.workspace, "a.txt"), "utf8")).toBe("one\ntwo\n");
});

// S-056
test("work continues on another shadow branch: a new one, one of the remote, and back", async () => {
  const { head } = await git.clone(cloneInput);
  await repository.write("b.txt", "b");
  expect(await git.switchBranch({ branch: "shadow/task-2" })).toEqual({ branch: "shadow/task-2", head, created: true });
  const commitEvent = await git.commit(turn);
  expect(commitEvent).toMatchObject({ branch: "shadow/task-2", files: 1 });
  expect(await api.gitPush({ body: {} }, signal)).toEqual({ branch: "shadow/task-2", sha: commitEvent?.sha });
  await expect(git.push({ shadow_branch: cloneInput.shadow_branch })).rejects.toMatchObject({
    code: "revision_not_found",
  });
  expect(await git.switchBranch({ branch: cloneInput.shadow_branch })).toEqual({
    branch: cloneInput.shadow_branch,
    head,
    created: false,
  });
  expect(await git.commit(turn)).toBeUndefined();
  expect(await git.switchBranch({ branch: "shadow/three", from: "shadow/task-2" })).toMatchObject({
    head: commitEvent?.sha,
  });
  await expect(git.switchBranch({ branch: "shadow/four", from: "nowhere" })).rejects.toMatchObject({
    code: "revision_not_found",
  });
});

// S-062
test("uncommitted work is committed before the runner stops, with the task's author", async () => {
  const withinMs = 20_000;
  expect(await git.commitLeftovers({ withinMs })).toBeUndefined();
  await git.clone(cloneInput);
  expect(await git.commitLeftovers({ withinMs })).toBeUndefined();
  await git.setAuthor({ name: "Bea Ö", email: "bea@example.com" });
  expect(repository.runAsAgent("config", "user.name")).toBe("Bea Ö");
  await repository.write("left.txt", "over");
  const commitEvent = await repository.open().commitLeftovers({ withinMs });
  expect(commitEvent).toMatchObject({ files: 1, branch: cloneInput.shadow_branch });
  expect(repository.runAsAgent("log", "-1", "--format=%an <%ae>")).toBe("Bea Ö <bea@example.com>");
  await repository.write("late.txt", "x");
  expect(await git.commitLeftovers({ withinMs: 0 })).toBeUndefined();
  // The commit continues in the background; the next operation waits for it.
  await git.getTreeStatus();
});

test("the watcher is quiet while git changes files, and only then", async () => {
  const calls: string[] = [];
  const quiet = (): Disposable => {
    calls.push("quiet");
    return { [Symbol.dispose]: () => void calls.push("over") };
  };
  const watched = repository.open({ quiet });
  await watched.clone(cloneInput);
  await watched.commit(turn);
  await watched.switchBranch({ branch: "shadow/two" });
  await expect(watched.checkout({ revision: "nowhere", discard: false })).rejects.toThrow();
  expect(calls).toEqual(Array.from({ length: 4 }, () => ["quiet", "over"]).flat());
  await watched.getTreeStatus();
  await watched.compare({});
  expect(calls).toHaveLength(8);
});

test("without a clone, every route reports it", async () => {
  const answers = [
    api.gitStatus({}, signal),
    api.gitDiff({ query: { stat: false } }, signal),
    api.gitLog({ query: { limit: 1, skip: 0 } }, signal),
    api.gitPush({ body: {} }, signal),
    api.gitCheckout({ body: { revision: "main", discard: false } }, signal),
    api.gitConfig({ body: { user_name: "A", user_email: "a@b" } }, signal),
  ];
  for (const answer of answers) await expect(answer).rejects.toMatchObject({ code: "workspace_not_cloned" });
});

test("a file that is being written is in no commit, neither of a turn nor of the agent", async () => {
  await git.clone(cloneInput);
  const half = ".wharf-0123456789abcdef.tmp";
  await repository.write(`deep/${half}`, "half");
  await repository.write("whole.txt", "whole");
  expect(await git.commit(turn)).toMatchObject({ files: 1 });
  expect((await git.getTreeStatus()).files).toEqual([]);
  repository.runAsAgent("add", "--all");
  expect(repository.runAsAgent("status", "--porcelain")).toBe("");
  // The file is ignored even if the agent has its own rules.
  await repository.write(".git/info/exclude", "*.log");
  repository.runAsAgent("config", "core.excludesFile", "/dev/null");
  await repository.write("again.txt", "again");
  expect(await git.commit(turn)).toMatchObject({ files: 1 });
  expect(repository.runAsAgent("ls-files")).not.toContain(half);
});
