import { execFileSync } from "node:child_process";
import { access, chmod, mkdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { git } from "./command.ts";
import { Repository, turn, cloneInput } from "./fixtures/repository.ts";
import type { GitService } from "./index.ts";

let repository: Repository;
let daemonGit: GitService;
let trap: string;
let sprung: string;

beforeEach(async () => {
  repository = new Repository();
  daemonGit = repository.open();
  await daemonGit.clone(cloneInput);
  sprung = join(repository.folder, "sprung");
  trap = join(repository.folder, "trap");
  await writeFile(trap, `#!/bin/sh\necho "$@" >> ${sprung}\ncat\n`);
  await chmod(trap, 0o755);
});
afterEach(() => repository[Symbol.dispose]());

const wasSprung = (): Promise<boolean> =>
  access(sprung).then(
    () => true,
    () => false,
  );

/** Runs once every operation that may start a program or read content. */
async function runEveryOperation(): Promise<void> {
  await daemonGit.getTreeStatus();
  await daemonGit.compare({});
  await daemonGit.compareWithBase({ stat: true });
  await daemonGit.readLog({ limit: 10 });
  await daemonGit.commit(turn);
  await daemonGit.push({ shadow_branch: cloneInput.shadow_branch });
  await daemonGit.checkout({ revision: "main", discard: true });
  await repository.write("elsewhere.txt", "e\n");
  await repository.write("a.txt", "elsewhere\n");
  await daemonGit.commit(turn);
  await daemonGit.switchBranch({ branch: "shadow/task-2" });
  await daemonGit.clone({ ...cloneInput, shadow_branch: "shadow/task-2" });
}

// S-065: a commit contains the file's content as it is, with or without a filter.
test("the daemon's git does not run the agent's filters, diff and merge drivers and textconv", async () => {
  await repository.write(".gitattributes", "* filter=evil diff=evil merge=evil\n");
  for (const name of ["filter.evil.clean", "filter.evil.smudge", "filter.evil.process", "diff.evil.textconv"])
    repository.runAsAgent("config", name, trap);
  repository.runAsAgent("config", "filter.evil.required", "true");
  repository.runAsAgent("config", "diff.evil.command", trap);
  repository.runAsAgent("config", "merge.evil.driver", `${trap} %O %A %B`);
  await repository.write("b.txt", "b\n");
  await repository.write("a.txt", "mine\n");
  await runEveryOperation();
  expect(await wasSprung()).toBe(false);
  expect(repository.runGit(repository.bare, "show", `${cloneInput.shadow_branch}:b.txt`)).toBe("b");
  // The trap is a real one: the agent's own git runs it.
  await repository.write("c.txt", "c\n");
  expect(() => repository.runAsAgent("add", "c.txt")).toThrow();
  expect(await wasSprung()).toBe(true);
});

test("included, worktree and late configurations change nothing", async () => {
  await writeFile(join(repository.folder, "more"), `[filter "evil"]\n\tclean = ${trap}\n\trequired = true\n`);
  repository.runAsAgent("config", "include.path", join(repository.folder, "more"));
  repository.runAsAgent("config", "extensions.worktreeConfig", "true");
  repository.runAsAgent("config", "--worktree", "core.fsmonitor", trap);
  repository.runAsAgent("config", "core.attributesFile", join(repository.folder, "attributes"));
  await writeFile(join(repository.folder, "attributes"), "* filter=evil\n");
  await mkdir(join(repository.workspace, ".git/info"), { recursive: true });
  await writeFile(join(repository.workspace, ".git/info/attributes"), "* filter=evil\n");
  await repository.write("b.txt", "b\n");
  await runEveryOperation();
  expect(await wasSprung()).toBe(false);
});

test("addresses, proxies, protocols and helpers that the agent configured are not used", async () => {
  repository.runAsAgent("config", `url.ext::${trap} .insteadOf`, "file://");
  repository.runAsAgent("config", "protocol.ext.allow", "always");
  repository.runAsAgent("config", "protocol.allow", "always");
  repository.runAsAgent("config", "remote.origin.url", `ext::${trap}`);
  repository.runAsAgent("config", "remote.origin.promisor", "true");
  repository.runAsAgent("config", "extensions.partialClone", "origin");
  repository.runAsAgent("config", "remote.origin.uploadpack", trap);
  repository.runAsAgent("config", "remote.origin.receivepack", trap);
  repository.runAsAgent("config", "credential.helper", trap);
  repository.runAsAgent("config", "core.alternateRefsCommand", trap);
  repository.runAsAgent("config", "core.worktree", repository.source);
  await writeFile(join(repository.workspace, ".git/objects/info/alternates"), `${repository.source}/.git/objects\n`);
  await repository.write("b.txt", "b\n");
  await runEveryOperation();
  expect(await wasSprung()).toBe(false);
  expect(repository.runGit(repository.bare, "ls-tree", "--name-only", cloneInput.shadow_branch)).toBe("a.txt\nb.txt");
});

test("submodules are recorded by their commit, and no git runs inside them", async () => {
  const sub = join(repository.workspace, "sub");
  repository.runGit(repository.folder, "clone", "-q", repository.bare, sub);
  await writeFile(join(sub, ".gitattributes"), "* filter=evil\n");
  repository.runGit(sub, "add", ".");
  repository.runGit(sub, "commit", "-qm", "sub");
  await daemonGit.commit(turn);
  repository.runGit(sub, "config", "filter.evil.clean", trap);
  repository.runGit(sub, "config", "core.fsmonitor", trap);
  await writeFile(join(sub, "a.txt"), "changed inside\n");
  await repository.write(".gitmodules", '[submodule "sub"]\n\tpath = sub\n\turl = ./x\n\tignore = none\n');
  await repository.write("b.txt", "b\n");
  await runEveryOperation();
  expect(await wasSprung()).toBe(false);
  expect(repository.runGit(repository.bare, "ls-tree", cloneInput.shadow_branch, "sub")).toMatch(/^160000 commit/);
});

test("a nested repository without a commit and names that are not text are no obstacle", async () => {
  repository.runGit(repository.workspace, "init", "-q", "nested");
  execFileSync("bash", ["-c", `cd "$1" && echo x > "$(printf 'bad\\377 name')"`, "bash", repository.workspace]);
  await repository.write(":(top)odd", "o\n");
  await repository.write("folder/file", "f\n");
  expect(await daemonGit.commit(turn)).toMatchObject({ files: 3 });
  const listed = repository.runAsAgent("ls-files", "-z").split("\0");
  expect(listed).toHaveLength(5);
  // A folder becomes a link to a folder with the same file names.
  await rm(join(repository.workspace, "folder"), { recursive: true });
  execFileSync("bash", [
    "-c",
    `cd "$1" && rm -f bad* && mkdir other && echo o > other/file && ln -s other folder`,
    "bash",
    repository.workspace,
  ]);
  await daemonGit.commit(turn);
  expect(repository.runAsAgent("ls-files")).toBe(":(top)odd\na.txt\nfolder\nother/file");
  expect(repository.runAsAgent("status", "--porcelain", "--untracked-files=no")).toBe("");
});

test("a pipe in place of a file does not prevent other changes from being committed or compared", async () => {
  await repository.write("kept.txt", "k\n");
  await daemonGit.commit(turn);
  for (const name of ["a.txt", "kept.txt"]) await rm(join(repository.workspace, name));
  for (const name of ["a.txt", "kept.txt"]) execFileSync("mkfifo", [join(repository.workspace, name)]);
  for (const name of ["0", "b.txt", "c/d.txt", "z"]) await repository.write(name, "new\n");
  const changed = ["0", "b.txt", "c/d.txt", "z"];
  expect((await daemonGit.compare({})).files.map(({ path }) => path)).toEqual(changed);
  expect(await daemonGit.commit(turn)).toMatchObject({ files: changed.length });
  expect(await daemonGit.commit(turn)).toBeUndefined();
  expect(repository.runAsAgent("ls-tree", "-r", "--name-only", "HEAD").split("\n")).toEqual(
    ["a.txt", "kept.txt", ...changed].toSorted(),
  );
});

test("no git starts after the daemon was asked to stop", async () => {
  const options = { cwd: repository.folder, signal: AbortSignal.abort() };
  await expect(git(["init", "--quiet", "late"], options)).rejects.toMatchObject({ code: "git_failed" });
  await expect(access(join(repository.folder, "late"))).rejects.toThrow();
});

test("a pipe in place of HEAD blocks nothing", async () => {
  const head = join(repository.workspace, ".git/HEAD");
  await rm(head);
  execFileSync("mkfifo", [head]);
  for (let times = 0; times < 8; times++) expect(await daemonGit.getStatus()).toEqual({ cloned: true });
  // The target of a link is not reported as a commit either.
  await rm(head);
  await symlink("/etc/passwd", head);
  expect(await daemonGit.getStatus()).toEqual({ cloned: true });
});

test("settings that decide how files are read are adopted, and line ends match those of the agent's git", async () => {
  repository.runAsAgent("config", "core.autocrlf", "input");
  repository.runAsAgent("config", "core.fileMode", "false");
  await repository.write("crlf.txt", "one\r\ntwo\r\n");
  await chmod(join(repository.workspace, "a.txt"), 0o755);
  expect(await daemonGit.commit(turn)).toMatchObject({ files: 1 });
  expect(repository.runAsAgent("show", "HEAD:crlf.txt")).toBe("one\ntwo");
  const view = await readFile(join(repository.state, "git-view/config"), "utf8");
  expect(view).toContain("autocrlf = input");
  expect(view).not.toContain("origin");
});
