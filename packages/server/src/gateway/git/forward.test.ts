import { copyFile, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { commit, getRejection, git, gitServer, hostGit, Scratch } from "../testing.ts";
import type { Mirrors } from "./index.ts";

let scratch: Scratch;
let mirrors: Mirrors;
let source: string;
let id: string;
const branch = "shadow/task-1";

beforeEach(async () => {
  scratch = await Scratch.make();
  mirrors = scratch.openMirrors();
  source = await scratch.repository("source");
  id = (await mirrors.ensure(source)).repository_id;
});
afterEach(() => scratch[Symbol.asyncDispose]());

/** Creates a commit on the task's branch in the mirror, as a push from a runner leaves it. */
async function taskCommit(text: string, parent = "main"): Promise<string> {
  const sha = await git(mirrors.path(id), "commit-tree", "-m", text, "-p", parent, "main^{tree}");
  await git(mirrors.path(id), "update-ref", `refs/heads/${branch}`, sha);
  return sha;
}
const forward = (sha: string, url = source) => mirrors.forward({ url, repository_id: id, branch, sha });
const failing = (sha: string, url = source) => getRejection(forward(sha, url));
const remoteHead = () => git(source, "rev-parse", branch);

test("a task's branch reaches a local repository, grows there, and can be forwarded again", async () => {
  const first = await taskCommit("first");
  await forward(first);
  expect(await remoteHead()).toBe(first);
  const second = await taskCommit("second", first);
  await forward(second);
  await forward(second);
  expect(await remoteHead()).toBe(second);
  expect(await git(source, "symbolic-ref", "HEAD")).toBe("refs/heads/main");
});

test("a branch that the task rewrote replaces the forwarded one", async () => {
  await forward(await taskCommit("first"));
  const rewritten = await taskCommit("rewritten");
  await forward(rewritten);
  expect(await remoteHead()).toBe(rewritten);
});

test("another author's commit on the branch is never overwritten", async () => {
  const first = await taskCommit("first");
  await forward(first);
  await git(source, "checkout", "--quiet", branch);
  const foreign = await commit(source, { "theirs.txt": "x" });
  await git(source, "checkout", "--quiet", "main");
  const next = [await taskCommit("second", first), await taskCommit("rewritten")];
  for (const sha of next)
    expect(await failing(sha)).toMatchObject({
      code: "push_rejected",
      context: { reason: expect.stringContaining("did not come from this task") },
    });
  expect(await remoteHead()).toBe(foreign);
});

test("a branch of the same name from before the task is not overwritten", async () => {
  await git(source, "checkout", "--quiet", "-b", branch);
  const theirs = await commit(source, { "theirs.txt": "x" });
  await git(source, "checkout", "--quiet", "main");
  expect(await failing(await taskCommit("mine"))).toMatchObject({ code: "push_rejected" });
  expect(await remoteHead()).toBe(theirs);
});

test("a checked-out branch is not changed, even if its owner allows updates", async () => {
  const first = await taskCommit("first");
  await forward(first);
  await git(source, "checkout", "--quiet", branch);
  await git(source, "config", "receive.denyCurrentBranch", "updateInstead");
  expect(await failing(await taskCommit("second", first))).toMatchObject({
    code: "push_rejected",
    context: { reason: expect.stringContaining("is checked out in") },
  });
  expect(await remoteHead()).toBe(first);
});

test("a remote server's rules hold, and its message reaches the user", async () => {
  const hooks = join(source, ".git", "hooks");
  await mkdir(hooks, { recursive: true });
  await writeFile(join(hooks, "pre-receive"), "#!/bin/sh\necho 'no agents on Fridays' >&2\nexit 1\n", { mode: 0o755 });
  const url = `${await gitServer(scratch, { hooks })}/source/.git`;
  id = (await mirrors.ensure(url)).repository_id;
  expect(await failing(await taskCommit("first"), url)).toMatchObject({
    code: "push_rejected",
    context: { ref: `refs/heads/${branch}`, reason: expect.stringContaining("no agents on Fridays") },
  });
});

test("no program of a local repository is executed, neither by a fetch nor by a push", async () => {
  const proof = join(scratch.path, "proof");
  const program = join(scratch.path, "program");
  await writeFile(program, `#!/bin/sh\necho "$0 $*" >> ${proof}\n`, { mode: 0o755 });
  const hooks = ["pre-receive", "update", "reference-transaction", "post-receive", "post-update", "post-index-change"];
  for (const folder of [join(source, ".git", "hooks"), join(scratch.path, "hooks")]) {
    await mkdir(folder, { recursive: true });
    for (const name of [...hooks, "pre-auto-gc", "push-to-checkout", "fsmonitor-watchman", "post-rewrite"])
      await copyFile(program, join(folder, name));
  }
  const other = await scratch.repository("other");
  await writeFile(join(source, ".git", "objects", "info", "alternates"), `${other}/.git/objects\n`);
  const settings = {
    "core.hooksPath": join(scratch.path, "hooks"),
    "core.alternateRefsCommand": program,
    "core.fsmonitor": program,
    "core.sshCommand": program,
    "core.pager": program,
    "uploadpack.packObjectsHook": program,
    "receive.denyCurrentBranch": "updateInstead",
    "receive.autogc": "true",
    "gc.auto": "1",
    "gc.recentObjectsHook": program,
    "filter.evil.clean": program,
    "filter.evil.smudge": program,
    "diff.evil.command": program,
    "credential.helper": program,
    "extensions.partialClone": "promisor",
    "remote.promisor.url": other,
    "remote.promisor.promisor": "true",
    "remote.promisor.uploadpack": program,
  };
  await writeFile(join(source, ".gitattributes"), "* filter=evil diff=evil\n");
  await git(source, "-c", "core.hooksPath=/dev/null", "add", "--all");
  await git(source, "-c", "core.hooksPath=/dev/null", "commit", "--quiet", "--message", "attributes");
  for (const [name, value] of Object.entries(settings)) await git(source, "config", name, value);

  await mirrors.ensure(source);
  await forward(await taskCommit("first"));
  const second = await taskCommit("second");
  await forward(second);
  await mirrors.ensure(source, { shadow_branch: branch });
  expect(await readFile(proof, "utf8").catch(() => "")).toBe("");
  expect(await remoteHead()).toBe(second);
});

test("over HTTP the host's login is used: with it the branch arrives, without it the error names the login", async () => {
  const server = await gitServer(scratch, { login: "ada:secret-pw" });
  const url = `${server}/source/.git`;
  await writeFile(join(scratch.path, "credentials"), `${server.replace("http://", "http://ada:secret-pw@")}\n`);
  await writeFile(
    join(scratch.path, ".gitconfig"),
    `[credential]\n\thelper = store --file=${join(scratch.path, "credentials")}\n`,
  );
  const gitEnvironment = { ...hostGit, HOME: scratch.path };
  mirrors = scratch.openMirrors({ folder: join(scratch.path, "helped"), gitEnvironment });
  id = (await mirrors.ensure(url)).repository_id;
  const sha = await taskCommit("first");
  // The URL is not this mirror's.
  await expect(forward(sha, `${server}/other/.git`)).rejects.toMatchObject({ code: "push_rejected" });
  await forward(sha, url);
  expect(await remoteHead()).toBe(sha);

  const poor = scratch.openMirrors({ folder: mirrors.folder });
  await expect(poor.forward({ url, repository_id: id, branch, sha })).rejects.toMatchObject({
    code: "repository_auth",
  });
});

test("a missing remote, a missing commit and a branch of no task are errors", async () => {
  const sha = await taskCommit("first");
  expect(await failing("1".repeat(40))).toMatchObject({ code: "git_failed" });
  expect(await failing("main")).toMatchObject({ code: "push_rejected" });
  await expect(mirrors.forward({ url: source, repository_id: id, branch: "main", sha })).rejects.toMatchObject({
    code: "push_rejected",
  });
  await git(scratch.path, "init", "--quiet", "elsewhere");
  expect(await failing(sha, join(scratch.path, "elsewhere"))).toMatchObject({ code: "push_rejected" });
  const server = await gitServer(scratch);
  id = (await mirrors.ensure(`${server}/source/.git`)).repository_id;
  const again = await taskCommit("first");
  const leaving = AbortSignal.abort(new Error("enough"));
  await expect(
    mirrors.forward({ url: `${server}/source/.git`, repository_id: id, branch, sha: again, signal: leaving }),
  ).rejects.toThrow("enough");
});
