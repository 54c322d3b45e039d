import { execFileSync } from "node:child_process";
import { mkdir, symlink, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { ContentSearch, NameSearch, TreeList } from "@wharf/contract";
import { expect, test } from "vitest";
import { TestFolder } from "../files/fixtures/folder.ts";
import { listTree } from "../files/index.ts";
import { getGitEnvironment } from "../git/command.ts";
import { findRipgrep, searchContents, searchNames } from "../search/index.ts";
import { GitIgnoredPaths } from "./git-ignored-paths.ts";

const rules: Readonly<Record<string, string>> = {
  ".gitignore": `\uFEFF# a comment
*.log
!keep.log
\\#hash
\\!bang
/anchored
folder-only/
!folder-only/inside
docs/**/draft
**/cache
all-below/**
!all-below/kept/
some-below/*
!some-below/kept
blank-at-end   
kept-blank\\ 
tab-at-end\t
star\\*
[ab].class
[!a-y].negated
[]x].bracket
[[:digit:]]*.named
q?.one
two/**/ends
one/*/level
\\[open]
middle/name
win.crlf\r
*.äö
?.wide
[ä].wide
Case
dir-link/
!/up/../down
nested/again/*.tmp
x/*
!x/y/
x/y/*
!x/y/z
`,
  "nested/.gitignore": `!*.log
/top-only
again/
!cache
*.deep
\\!*.deep
!/deeper/special.deep
# none
`,
  "nested/deeper/.gitignore": `*
!*/
!.gitignore
!*.keep
`,
  "nested/inner/.gitignore": "debug.log\n!again\n",
  "folder-only/.gitignore": "!inside\n",
  ".git/info/exclude": "from-exclude\n*.keep-not\n/nested/excluded\n",
};

const names = [
  ["a.log", "keep.log", "sub/keep.log", "sub/b.log", "#hash", "!bang", "bang", "anchored", "sub/anchored"],
  ["folder-only/inside", "sub/folder-only", "docs/draft", "docs/a/b/draft", "sub/docs/draft", "sub/cache/x"],
  ["all-below/a", "all-below/kept/b", "some-below/a", "some-below/kept", "some-below/kept-not"],
  ["blank-at-end", "blank-at-end   ", "kept-blank ", "kept-blank", "tab-at-end", "tab-at-end\t", "star*", "starred"],
  ["a.class", "c.class", "a.negated", "z.negated", "A.negated", "].bracket", "x.bracket", "y.bracket"],
  ["1.named", "1x.named", "x.named", "[a-.range", "q1.one", "q.one", "q12.one", "two/ends", "two/a/b/ends"],
  ["one/a/level", "one/a/b/level", "one/level", "[open]", "middle/name", "sub/middle/name", "win.crlf"],
  ["w.äö", "ä.wide", "b.wide", "😀.wide", "Case", "case", "from-exclude", "sub/from-exclude", "down", "up/x"],
  ["nested/a.log", "nested/top-only", "nested/sub/top-only", "nested/again/a.tmp", "nested/again/b"],
  ["nested/cache/x", "nested/a.deep", "nested/!a.deep", "nested/deeper/special.deep", "nested/deeper/a"],
  ["nested/deeper/a.keep", "nested/deeper/in/a.keep", "nested/deeper/in/a", "nested/inner/debug.log"],
  ["nested/inner/a.log", "nested/inner/again/x", "nested/excluded", "nested/x.keep-not"],
  ["x/a", "x/y/a", "x/y/z", "x/y/zz/a"],
].flat();

async function createWorkspace(extraPatterns: string): Promise<TestFolder> {
  const folder = await TestFolder.make();
  runGit(folder, ["init", "-q"]);
  const files = [
    ...Object.entries({ ...rules, ".gitignore": `${rules[".gitignore"]}${extraPatterns}` }),
    ...names.map((name) => [name, ""] as const),
  ];
  for (const [path, text] of files) {
    await mkdir(dirname(folder.at(path)), { recursive: true });
    await writeFile(folder.at(path), `${text}# needle\n`);
  }
  await symlink("sub", folder.at("dir-link"));
  return folder;
}

function runGit(folder: TestFolder, args: readonly string[], input = ""): string {
  const options = { cwd: folder.workspace, env: getGitEnvironment({ GIT_LITERAL_PATHSPECS: "0" }), input };
  return execFileSync("git", args, { ...options, encoding: "utf8" });
}

test.each([
  { kind: "valid", extraPatterns: "" },
  { kind: "broken", extraPatterns: "[a-.range\n" },
  { kind: "empty", extraPatterns: "!\n/\n" },
])(
  "exactly the paths that git ignores are left out of trees, searches and watching, with $kind patterns",
  async ({ extraPatterns }) => {
    await using folder = await createWorkspace(extraPatterns);
    const { signal } = folder;
    const listed = await Array.fromAsync(
      await listTree(folder.workspace, TreeList.parse({ path: ".", gitignore: false }), signal),
    );
    const all = listed
      .flatMap((line) => (line.type === "file" || line.type === "symlink" ? [line.path] : []))
      .filter((path) => !path.startsWith(".git/"))
      .toSorted();
    const answer = runGit(
      folder,
      ["check-ignore", "--no-index", "-z", "--stdin"],
      all.map((path) => `./${path}\0`).join(""),
    );
    const ignored = new Set(answer.split("\0").map((path) => path.replace(/^\.\//, "")));
    const expected = all.filter((path) => !ignored.has(path));
    const withoutLinks = expected.filter((path) => path !== "dir-link");
    expect(ignored.size).toBeGreaterThan(30);
    expect(withoutLinks.length).toBeGreaterThan(30);

    const tree = await Array.fromAsync(
      await listTree(folder.workspace, TreeList.parse({ path: ".", gitignore: true }), signal),
    );
    const inTree = tree.flatMap((line) => (line.type === "file" || line.type === "symlink" ? [line.path] : []));
    expect.soft(inTree.toSorted(), "tree").toEqual(expected);
    const { matches } = await searchNames(folder.workspace, NameSearch.parse({ query: "", limit: 1_000 }), signal);
    expect.soft(matches.map(({ path }) => path).toSorted(), "names").toEqual(expected);
    for (const ripgrep of new Set([undefined, findRipgrep()])) {
      const input = ContentSearch.parse({ pattern: "needle" });
      const lines = await Array.fromAsync(await searchContents(folder.workspace, input, { signal, ripgrep }));
      const byContent = new Set(lines.flatMap((line) => (line.type === "match" ? [line.path] : [])));
      // ripgrep reads a tab at the end of a pattern as a blank, and skips the file.
      if (ripgrep !== undefined) byContent.add("tab-at-end");
      expect.soft([...byContent].toSorted(), ripgrep ?? "own reading").toEqual(withoutLinks);
    }
    const watching = new GitIgnoredPaths({ workspace: folder.workspace, state: folder.outside });
    expect
      .soft([...(await watching.getIgnoredPaths(all))].toSorted(), "watching")
      .toEqual(all.filter((path) => ignored.has(path)));
    watching.reset();
  },
);
