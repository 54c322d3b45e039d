import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { access, appendFile, chmod, mkdir, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { GitClone } from "@wharf/contract";
import { afterEach, beforeEach, expect, test } from "vitest";
import { GitService } from "./index.ts";

let folder: string;
let workspace: string;
let state: string;
let bare: string;
let daemonGit: GitService;

const environment = {
  PATH: process.env["PATH"],
  HOME: "/nonexistent",
  GIT_CONFIG_GLOBAL: "/dev/null",
  GIT_AUTHOR_NAME: "A",
  GIT_AUTHOR_EMAIL: "a@b",
  GIT_COMMITTER_NAME: "A",
  GIT_COMMITTER_EMAIL: "a@b",
};
const runGitIn = (cwd: string, ...args: string[]): string =>
  execFileSync("git", args, { cwd, env: environment, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] }).trim();
/** Runs git in the workspace as the agent does. */
const runAgentGit = (...args: string[]): string => runGitIn(workspace, ...args);
const write = (name: string, text: string): Promise<void> => writeFile(join(workspace, name), text);

const shadow_branch = "shadow/task-1";
const cloneInput: GitClone = {
  remote_path: "/git/sample.git",
  shadow_branch,
  author_name: "Ann",
  author_email: "ann@example.com",
};
const turn = { message: "Do the thing", author_name: "Ann", author_email: "ann@example.com" };

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "wharf-git-"));
  workspace = join(folder, "workspace");
  state = join(folder, "state");
  bare = join(folder, "git/sample.git");
  const source = join(folder, "source");
  await mkdir(join(folder, "git"), { recursive: true });
  await mkdir(workspace);
  await mkdir(state);
  runGitIn(folder, "init", "-q", "-b", "main", source);
  await writeFile(join(source, "a.txt"), "one\ntwo\n");
  runGitIn(source, "add", ".");
  runGitIn(source, "commit", "-q", "-m", "first");
  runGitIn(folder, "clone", "-q", "--bare", source, bare);
  daemonGit = open();
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const open = (): GitService =>
  new GitService({ workspace, state, remoteBase: `file://${folder}`, protocols: ["file"] });
const getRemoteCommit = (branch: string): string => runGitIn(bare, "rev-parse", branch);

// S-056, S-060
test("a clone checks out the shadow branch at the base, and cloning again changes nothing", async () => {
  const cloned = await daemonGit.clone(cloneInput);
  const main = getRemoteCommit("main");
  expect(cloned).toEqual({ base_branch: "main", base_commit_sha: main, head: main, resumed: false });
  await write("mine.txt", "kept");
  expect(await open().clone(cloneInput)).toEqual(cloned);
  expect(await readFile(join(workspace, "mine.txt"), "utf8")).toBe("kept");
  expect(await daemonGit.getStatus()).toEqual({ cloned: true, branch: shadow_branch, head: main });
  await expect(daemonGit.clone({ ...cloneInput, remote_path: "/git/other.git" })).rejects.toMatchObject({
    code: "workspace_occupied",
  });
});

test("an interrupted clone is removed and repeated; files that belong to no clone are kept", async () => {
  await write("foreign.txt", "somebody's");
  await expect(daemonGit.clone(cloneInput)).rejects.toMatchObject({ code: "workspace_occupied" });
  await writeFile(
    join(state, "checkout.json"),
    JSON.stringify({ status: "cloning", remote_path: cloneInput.remote_path }),
  );
  await mkdir(join(workspace, ".git/objects"), { recursive: true });
  expect(await daemonGit.getStatus()).toEqual({ cloned: false });
  expect(await daemonGit.clone(cloneInput)).toMatchObject({ resumed: false });
  await expect(access(join(workspace, "foreign.txt"))).rejects.toThrow();
});

// S-066
test("an existing shadow branch on the remote is continued, and the base is where it began", async () => {
  const main = getRemoteCommit("main");
  await daemonGit.clone(cloneInput);
  await write("b.txt", "b");
  const commitEvent = await daemonGit.commit(turn);
  await daemonGit.push({ shadow_branch });
  await rm(workspace, { recursive: true });
  await rm(join(state, "checkout.json"));
  expect(await open().clone(cloneInput)).toEqual({
    base_branch: "main",
    base_commit_sha: main,
    head: commitEvent?.sha,
    resumed: true,
  });
});

test("an empty, a missing and a branchless remote each get their own error", async () => {
  runGitIn(folder, "init", "-q", "--bare", join(folder, "git/empty.git"));
  await expect(daemonGit.clone({ ...cloneInput, remote_path: "/git/empty.git" })).rejects.toMatchObject({
    code: "repository_empty",
  });
  await expect(daemonGit.clone({ ...cloneInput, remote_path: "/git/none.git" })).rejects.toMatchObject({
    code: "repository_missing",
  });
  await expect(daemonGit.clone({ ...cloneInput, base_branch: "nope" })).rejects.toMatchObject({
    code: "branch_missing",
  });
  await write("mine.txt", "written after the clone that failed");
  await expect(daemonGit.clone(cloneInput)).rejects.toMatchObject({ code: "workspace_occupied" });
  expect(await readdir(workspace)).toEqual(["mine.txt"]);
  await rm(join(workspace, "mine.txt"));
  const refusedPaths = new GitService({ workspace, state, remoteBase: "http://127.0.0.1:1" });
  await expect(refusedPaths.clone(cloneInput)).rejects.toMatchObject({ code: "repository_unreachable" });
  expect(await daemonGit.clone(cloneInput)).toMatchObject({ resumed: false });
});

test("a turn's changes become one commit with author and co-author, and a push delivers it to the remote", async () => {
  const { head } = await daemonGit.clone(cloneInput);
  expect(await daemonGit.commit(turn)).toBeUndefined();
  await write("a.txt", "one\n2\nthree\n");
  await write("new ü.txt", "x\n");
  const commitEvent = await daemonGit.commit(turn);
  expect(commitEvent).toEqual({
    kind: "commit",
    sha: runAgentGit("rev-parse", "HEAD"),
    parent: head,
    branch: shadow_branch,
    message: "Do the thing",
    files: 2,
    additions: 3,
    deletions: 1,
  });
  expect(runAgentGit("log", "-1", "--format=%an <%ae>|%(trailers:key=Co-authored-by)")).toBe(
    "Ann <ann@example.com>|Co-authored-by: Wharf <wharf@localhost>",
  );
  expect(await daemonGit.commit(turn)).toBeUndefined();
  expect(await daemonGit.push({ shadow_branch })).toEqual({ sha: commitEvent?.sha });
  expect(await daemonGit.push({ shadow_branch })).toEqual({ sha: commitEvent?.sha });
  expect(getRemoteCommit(shadow_branch)).toBe(commitEvent?.sha);
  await expect(daemonGit.push({ shadow_branch: "other" })).rejects.toMatchObject({ code: "revision_not_found" });
});

test("commits that the agent made itself are reported as one step", async () => {
  const { head } = await daemonGit.clone(cloneInput);
  await write("b.txt", "b\n");
  runAgentGit("add", ".");
  runAgentGit("commit", "-qm", "own one");
  await write("c.txt", "c\n");
  runAgentGit("add", ".");
  runAgentGit("commit", "-qm", "own two");
  expect(await daemonGit.commit(turn)).toMatchObject({
    parent: head,
    message: "own two",
    files: 2,
    sha: runAgentGit("rev-parse", shadow_branch),
  });
});

test("work on the agent's own branch or on a detached HEAD ends on the shadow branch", async () => {
  await daemonGit.clone(cloneInput);
  runAgentGit("checkout", "-q", "-b", "feature");
  await write("b.txt", "b");
  runAgentGit("add", ".");
  runAgentGit("commit", "-qm", "on feature");
  await write("c.txt", "c");
  const commitEvent = await daemonGit.commit(turn);
  expect(runAgentGit("symbolic-ref", "--short", "HEAD")).toBe(shadow_branch);
  expect(runAgentGit("ls-files")).toBe("a.txt\nb.txt\nc.txt");
  runAgentGit("checkout", "-q", "--detach");
  await write("d.txt", "d");
  const next = await daemonGit.commit(turn);
  expect(next).toMatchObject({ parent: commitEvent?.sha, branch: shadow_branch, files: 1 });
  expect(runAgentGit("symbolic-ref", "--short", "HEAD")).toBe(shadow_branch);
});

test("an agent that switched to the base branch loses nothing of the shadow branch", async () => {
  await daemonGit.clone(cloneInput);
  await write("b.txt", "b");
  const commitEvent = await daemonGit.commit(turn);
  runAgentGit("checkout", "-q", "origin/main");
  expect(await daemonGit.commit(turn)).toBeUndefined();
  expect(runAgentGit("rev-parse", "HEAD")).toBe(commitEvent?.sha);

  runAgentGit("checkout", "-q", "origin/main");
  await write("b.txt", "another b");
  await write("e.txt", "e");
  const merged = await daemonGit.commit(turn);
  expect(merged).toMatchObject({ parent: commitEvent?.sha, branch: shadow_branch });
  expect(runAgentGit("ls-files")).toBe("a.txt\nb.txt\ne.txt");
  expect(await readFile(join(workspace, "b.txt"), "utf8")).toBe("another b");
  runAgentGit("merge-base", "--is-ancestor", String(commitEvent?.sha), "HEAD");
});

test("the shadow branch only grows after an amended, reset or half-rebased history", async () => {
  await daemonGit.clone(cloneInput);
  for (const text of ["1", "2"]) {
    await write("b.txt", text);
    await daemonGit.commit(turn);
  }
  await daemonGit.push({ shadow_branch });
  runAgentGit("reset", "-q", "--hard", "HEAD~1");
  await write("b.txt", "3");
  runAgentGit("commit", "-qa", "--amend", "-m", "rewritten");
  const commitEvent = await daemonGit.commit(turn);
  expect(await daemonGit.push({ shadow_branch })).toEqual({ sha: commitEvent?.sha });
  expect(await readFile(join(workspace, "b.txt"), "utf8")).toBe("3");

  runAgentGit("checkout", "-q", "-b", "side", "origin/main");
  await write("b.txt", "side");
  runAgentGit("add", ".");
  runAgentGit("commit", "-qm", "side");
  expect(() => runAgentGit("rebase", shadow_branch)).toThrow();
  const rebased = await daemonGit.commit(turn);
  expect(await daemonGit.push({ shadow_branch })).toEqual({ sha: rebased?.sha });
  expect(runAgentGit("status", "--porcelain")).toBe("");
  expect(runAgentGit("status")).not.toMatch(/rebas/);
});

test("the agent's hooks and configuration are not run, and its signing and locks do not prevent the commit", async () => {
  await daemonGit.clone(cloneInput);
  const trap = join(folder, "trap");
  await writeFile(trap, `#!/bin/sh\ntouch ${join(folder, "sprung")}\nexit 1\n`);
  await chmod(trap, 0o755);
  await mkdir(join(workspace, ".git/hooks"), { recursive: true });
  for (const hook of [
    "pre-commit",
    "commit-msg",
    "post-commit",
    "pre-push",
    "post-checkout",
    "reference-transaction",
    "post-index-change",
  ]) {
    await symlink(trap, join(workspace, ".git/hooks", hook));
  }
  for (const name of ["core.fsmonitor", "gpg.program", "diff.external", "core.editor", "core.pager", "core.sshCommand"])
    runAgentGit("config", name, trap);
  runAgentGit("config", "commit.gpgSign", "true");
  await write("b.txt", "b");
  await writeFile(join(workspace, ".git/index.lock"), "");
  const commitEvent = await daemonGit.commit(turn);
  expect(commitEvent).toMatchObject({ files: 1 });
  expect(await daemonGit.push({ shadow_branch })).toEqual({ sha: commitEvent?.sha });
  await appendFile(join(workspace, "a.txt"), "more\n");
  expect((await daemonGit.compare({ base: String(commitEvent?.sha) })).files).toMatchObject([
    { path: "a.txt", additions: 1, deletions: 0 },
  ]);
  await expect(access(join(folder, "sprung"))).rejects.toThrow();
});

test("a push onto a branch that someone else moved is refused, not forced", async () => {
  await daemonGit.clone(cloneInput);
  runGitIn(join(folder, "source"), "checkout", "-qb", shadow_branch);
  runGitIn(join(folder, "source"), "commit", "-q", "--allow-empty", "-m", "theirs");
  runGitIn(join(folder, "source"), "push", "-q", bare, shadow_branch);
  await write("b.txt", "b");
  await daemonGit.commit(turn);
  await expect(daemonGit.push({ shadow_branch })).rejects.toMatchObject({ code: "push_rejected" });
});

// S-085 S-081
test("the diff contains staged, unstaged and untracked work and does not touch the agent's index", async () => {
  const { base_commit_sha: base } = await daemonGit.clone(cloneInput);
  await write("b.txt", "b\n");
  await daemonGit.commit(turn);
  await write("a.txt", "one\n");
  await write("c.txt", "c\n");
  await write("staged.txt", "s\n");
  runAgentGit("add", "staged.txt");
  const before = runAgentGit("status", "--porcelain");
  const diff = await daemonGit.compare({ base: base.slice(0, 10) });
  expect(diff.files).toMatchObject([
    { path: "a.txt", additions: 0, deletions: 1 },
    { path: "b.txt", additions: 1, deletions: 0 },
    { path: "c.txt", additions: 1, deletions: 0 },
    { path: "staged.txt", additions: 1, deletions: 0 },
  ]);
  expect(diff.patch).toContain("+c");
  expect(diff).toMatchObject({ base, truncated: false });
  expect(runAgentGit("status", "--porcelain")).toBe(before);
  await expect(daemonGit.compare({ base: "0123456789" })).rejects.toMatchObject({ code: "revision_not_found" });
});

test("a diff over its limit is cut and marked", async () => {
  const { base_commit_sha: base } = await daemonGit.clone(cloneInput);
  await write("big.txt", "0123456789 line\n".repeat(500_000));
  const diff = await daemonGit.compare({ base });
  expect(diff.truncated).toBe(true);
  expect(Buffer.byteLength(diff.patch)).toBeLessThanOrEqual(5 * 1024 * 1024);
  expect(diff.files).toMatchObject([{ path: "big.txt", additions: 500_000, deletions: 0 }]);
});

test("a commit that was made but not reported before a restart is reported afterwards", async () => {
  await daemonGit.clone(cloneInput);
  await write("b.txt", "b");
  const commitEvent = await daemonGit.commit(turn);
  expect(await open().commit(turn)).toEqual(commitEvent);
});

test("a damaged clone record is read from its copy; without either, the error says so and work is kept", async () => {
  await daemonGit.clone(cloneInput);
  await write("a.txt", "mine\n");
  const files = ["checkout.json", "checkout.copy.json"].map((name) => join(state, name));
  await writeFile(files[0]!, "garbled");
  await rm(join(state, "git-view"), { recursive: true });
  await writeFile(join(state, "git-view"), "no folder");
  const next = open();
  expect(await next.commit(turn)).toMatchObject({ files: 1 });
  expect(await next.push({ shadow_branch })).toEqual({ sha: runAgentGit("rev-parse", "HEAD") });
  for (const file of files) await writeFile(file, "");
  const last = open();
  expect(await last.getStatus()).toEqual({ cloned: false });
  for (const attempt of [last.clone(cloneInput), last.commit(turn)])
    await expect(attempt).rejects.toMatchObject({ code: "git_failed", message: expect.stringContaining("damaged") });
  expect(runAgentGit("show", "HEAD:a.txt")).toBe("mine");
});
