import { execFileSync } from "node:child_process";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { TestFolders } from "../../test/workspace.ts";
import { confinePath } from "../workspace/confine-path.ts";
import { toBoundedText } from "./bounded-text.ts";
import { replaceOnce } from "./edit-file.ts";
import { listFolder } from "./list-files.ts";
import { getMatches, searchFiles } from "./search.ts";

const { signal } = new AbortController();
const files = {
  "a.txt": "one\nneedle here\n",
  "lib/b.txt": "Needle\n",
  "ignored/c.txt": "needle\n",
  ".gitignore": "ignored/\n",
};

describe("search", () => {
  const query = { path: ".", pattern: "needle", ignoreCase: false, signal };

  test("finds the same matches with and without a search program", async () => {
    using folders = new TestFolders(files);
    execFileSync("git", ["init", "-q"], { cwd: folders.cwd });
    const found = await getMatches({ ...query, root: folders.cwd });
    expect(found.map((line) => line.replace(/^\.\//, ""))).toEqual(["a.txt:2:needle here"]);
    const byHand = await searchFiles({ ...query, root: folders.cwd, ignoreCase: true });
    expect(byHand).toEqual(["a.txt:2:needle here", "ignored/c.txt:1:needle", "lib/b.txt:1:Needle"]);
    expect(await searchFiles({ ...query, root: folders.cwd, path: "a.txt" })).toEqual(["a.txt:2:needle here"]);
  });

  test("accepts a pattern that looks like an option, and refuses an invalid one", async () => {
    using folders = new TestFolders({ "a.txt": "--files\n" });
    expect(await getMatches({ ...query, root: folders.cwd, pattern: "--files" })).toHaveLength(1);
    await expect(getMatches({ ...query, root: folders.cwd, pattern: "(" })).rejects.toThrow("pattern");
  });
});

test("the list omits files that git ignores, and works without git", async () => {
  using folders = new TestFolders(files);
  expect((await listFolder(folders.cwd, folders.cwd, signal)).files).toEqual([
    ".gitignore",
    "a.txt",
    "ignored/c.txt",
    "lib/b.txt",
  ]);
  execFileSync("git", ["init", "-q"], { cwd: folders.cwd });
  expect((await listFolder(folders.cwd, folders.cwd, signal)).files).toEqual([".gitignore", "a.txt", "lib/b.txt"]);
  expect((await listFolder(folders.cwd, join(folders.cwd, "lib"), signal)).files).toEqual(["lib/b.txt"]);
});

test("a path cannot leave the workspace through dots or through a link, even a dangling one", async () => {
  using folders = new TestFolders({ "in.txt": "" });
  writeFileSync(join(folders.outside, "secret"), "");
  symlinkSync(folders.outside, join(folders.cwd, "out"));
  symlinkSync(join(folders.outside, "not-yet"), join(folders.cwd, "dangling"));
  mkdirSync(join(folders.cwd, "deep"));
  symlinkSync("../in.txt", join(folders.cwd, "deep/link"));
  for (const path of [
    "../outside/secret",
    "/etc/passwd",
    "out/secret",
    "out/new.txt",
    "dangling",
    "..",
    `${folders.cwd}-other/x`,
  ]) {
    await expect(confinePath(folders.cwd, path), path).rejects.toThrow("outside the workspace");
  }
  for (const path of ["in.txt", "new/er.txt", "deep/link", ".", join(folders.cwd, "in.txt")]) {
    expect(await confinePath(folders.cwd, path)).toMatch(folders.cwd);
  }
});

test("an edit requires exactly one occurrence and inserts the replacement literally", () => {
  expect(replaceOnce("a $1 b", "$1", "$& $$")).toBe("a $& $$ b");
  expect(() => replaceOnce("a b a", "a", "c")).toThrow("occurs 2 times");
  expect(() => replaceOnce("aaa", "aa", "b")).toThrow("occurs 2 times");
  expect(() => replaceOnce("a", "b", "c")).toThrow("does not occur");
});

test("long text keeps its beginning and its end", () => {
  const text = `begin${"x".repeat(1_000)}end`;
  expect(toBoundedText(text, 2_000)).toBe(text);
  const short = toBoundedText(text, 100);
  expect(short).toMatch(/^beginx+\n\[… 908 characters omitted …\]\nx+end$/);
  expect(toBoundedText("x".repeat(100), 100)).toBe("x".repeat(100));
});
