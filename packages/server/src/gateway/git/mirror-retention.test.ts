import { afterEach, beforeEach, expect, test } from "vitest";
import { git, Scratch } from "../testing.ts";
import type { Mirrors } from "./index.ts";

let scratch: Scratch;
let mirrors: Mirrors;
let id: string;
beforeEach(async () => {
  scratch = await Scratch.make();
  mirrors = scratch.openMirrors();
  id = (await mirrors.ensure(await scratch.repository("source"))).repository_id;
});
afterEach(() => scratch[Symbol.asyncDispose]());

const inMirror = (...args: string[]) => git(mirrors.path(id), ...args);

/**
 * Creates a commit on a task's branch in the mirror that was forwarded once, as a push from a
 * runner leaves it.
 */
async function addBranch(branch: string): Promise<string> {
  const sha = await inMirror("commit-tree", "-m", branch, "-p", "main", "main^{tree}");
  await inMirror("update-ref", `refs/heads/${branch}`, sha);
  await inMirror("update-ref", `refs/wharf/forwarded/${branch}`, sha);
  return sha;
}

test("a mirror reports whether it exists and which commits it has", async () => {
  const main = await mirrors.head(id, "main");
  expect(await mirrors.exists(id)).toBe(true);
  expect(await mirrors.has(id, main ?? "")).toBe(true);
  const missing = "0123456789abcdef0123";
  expect(await mirrors.exists(missing)).toBe(false);
  expect(await mirrors.has(missing, main ?? "")).toBe(false);
  const tree = await inMirror("rev-parse", "main^{tree}");
  for (const sha of ["1".repeat(40), tree, "main", "", "--help"]) expect(await mirrors.has(id, sha)).toBe(false);
});

test("tasks' branches are removed together with their forwarding records and their commits", async () => {
  const [first, second, kept] = [await addBranch("shadow/a"), await addBranch("shadow/b"), await addBranch("shadow/c")];
  await inMirror("repack", "-a", "-d", "--quiet");
  await mirrors.removeBranches(id, ["shadow/a", "shadow/b", "shadow/not-there"]);
  expect(await inMirror("for-each-ref", "--format=%(refname)")).toBe(
    "refs/heads/main\nrefs/heads/shadow/c\nrefs/wharf/forwarded/shadow/c",
  );
  expect(await Promise.all([first, second, kept].map((sha) => mirrors.has(id, sha)))).toEqual([false, false, true]);
  expect(await inMirror("fsck", "--full")).not.toContain("missing");
});

test("only tasks' branches can be removed, and a missing mirror is not an error", async () => {
  for (const branch of ["main", "shadow/../main", "shadow/a\ndelete refs/heads/main"])
    await expect(mirrors.removeBranches(id, [branch])).rejects.toMatchObject({ code: "git_failed" });
  expect(await mirrors.head(id, "main")).toBeDefined();
  await mirrors.removeBranches("0123456789abcdef0123", ["shadow/a"]);
  await mirrors.removeBranches(id, []);
});

test("commits of removed branches stay during a push and are removed when it ends", async () => {
  const sha = await addBranch("shadow/a");
  const { signal } = new AbortController();
  {
    await using _first = await mirrors.startPush(id, signal);
    {
      await using _second = await mirrors.startPush(id, signal);
      await mirrors.removeBranches(id, ["shadow/a"]);
      expect(await mirrors.head(id, "shadow/a")).toBeUndefined();
    }
    expect(await mirrors.has(id, sha)).toBe(true);
  }
  expect(await mirrors.has(id, sha)).toBe(false);
});
