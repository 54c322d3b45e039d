import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { GitDiff } from "@wharf/contract";
import { afterEach, beforeEach, expect, test } from "vitest";
import { commit, git, Scratch } from "../../testing.ts";
import type { Mirrors } from "../index.ts";

let scratch: Scratch;
let mirrors: Mirrors;
let source: string;
const branch = "shadow/task-1";
const long = Array.from({ length: 30 }, (_, n) => `line ${n}`).join("\n");

beforeEach(async () => {
  scratch = await Scratch.make();
  mirrors = scratch.openMirrors();
  source = await scratch.repository("source", { "README.md": "hello\n", "old name.txt": long });
});
afterEach(() => scratch[Symbol.asyncDispose]());

const { signal } = new AbortController();
const compare = async (id: string, base: string, against = branch) =>
  mirrors.openReader(id).compareBranch({ base, branch: against }, signal);
const mirrored = async () => (await mirrors.ensure(source, { shadow_branch: branch })).repository_id;

test("a task's diff has the changes of its branch since it left its base, with odd names", async () => {
  const base = await git(source, "rev-parse", "HEAD");
  await git(source, "checkout", "--quiet", "-b", branch);
  await git(source, "mv", "old name.txt", "new\tname.txt");
  const head = await commit(source, { "README.md": "hello\nworld\n", "ümlaut.txt": "x\n", "bin.dat": "\0\u0001\0" });
  await git(source, "checkout", "--quiet", "main");
  await commit(source, { "later.txt": "not the task's" });
  const id = await mirrored();
  for (const from of [base, base.slice(0, 10), "main"]) {
    const diff = GitDiff.parse(await compare(id, from));
    expect(diff).toMatchObject({ base, head, truncated: false });
    expect(diff.files).toEqual([
      { path: "README.md", change: "modified", additions: 1, deletions: 0, binary: false },
      { path: "bin.dat", change: "added", additions: 0, deletions: 0, binary: true },
      { path: "new\tname.txt", change: "added", additions: 30, deletions: 0, binary: false },
      { path: "old name.txt", change: "deleted", additions: 0, deletions: 30, binary: false },
      { path: "ümlaut.txt", change: "added", additions: 1, deletions: 0, binary: false },
    ]);
    expect(diff.patch).toContain("+world");
    expect(diff.patch).not.toContain("later.txt");
  }
});

test("a large patch is cut at a line and is marked as cut", async () => {
  await git(source, "checkout", "--quiet", "-b", branch);
  const base = await git(source, "rev-parse", "HEAD");
  await commit(source, { "big.txt": "a line that is repeated\n".repeat(300_000) });
  const diff = await compare(await mirrored(), base);
  expect(diff.truncated).toBe(true);
  expect(diff.patch.length).toBeLessThanOrEqual(5 * 1024 * 1024);
  expect(diff.patch.endsWith("\n")).toBe(true);
  expect(diff.files).toMatchObject([{ path: "big.txt", additions: 300_000, deletions: 0 }]);
});

test("programs that a repository names in its attributes are not started", async () => {
  await git(source, "checkout", "--quiet", "-b", branch);
  const base = await git(source, "rev-parse", "HEAD");
  await commit(source, { ".gitattributes": "*.txt diff=evil filter=evil\n", "a.txt": "a\n" });
  const id = await mirrored();
  const proof = join(scratch.path, "proof");
  await writeFile(join(scratch.path, "evil.sh"), `#!/bin/sh\ntouch ${proof}\n`, { mode: 0o755 });
  // Even a mirror with a manipulated configuration would not run them.
  await git(mirrors.path(id), "config", "diff.evil.command", join(scratch.path, "evil.sh"));
  await git(mirrors.path(id), "config", "diff.evil.textconv", join(scratch.path, "evil.sh"));
  await mkdir(join(mirrors.path(id), "info"), { recursive: true });
  await writeFile(join(mirrors.path(id), "info", "attributes"), "*.txt diff=evil\n");
  expect((await compare(id, base)).files).toHaveLength(2);
  expect(existsSync(proof)).toBe(false);
});

test("missing refs and mirrors are reported as not found", async () => {
  await git(source, "branch", branch);
  const id = await mirrored();
  await expect(compare(id, "main", "shadow/none")).rejects.toMatchObject({ code: "revision_not_found" });
  await expect(compare(id, "--output=/tmp/x")).rejects.toMatchObject({ code: "revision_not_found" });
  await expect(compare("../../etc", "main")).rejects.toMatchObject({ code: "mirror_not_found" });
});
